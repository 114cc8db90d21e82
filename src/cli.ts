#!/usr/bin/env -S node --max-semi-space-size=32
/**
 * The command line: `checkstream COMMAND`; the commands are in cli/commands.ts. The larger young
 * generation is for `serve`: most of what a stream allocates is then dead before it is collected.
 */
import './model/onnx-env.ts'
import process from 'node:process'
import { runCli } from './cli/commands.ts'

process.exitCode = await runCli(process.argv.slice(2))
