#!/usr/bin/env node
/** The command line: `checkstream COMMAND`; the commands are in cli/commands.ts. */
import './model/onnx-env.ts'
import process from 'node:process'
import { runCli } from './cli/commands.ts'

process.exitCode = await runCli(process.argv.slice(2))
