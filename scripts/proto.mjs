// Writes plugin/checkstream_vllm/engine.binpb from the .proto. Needs Python with grpcio-tools:
//   node scripts/proto.mjs [python]
import { spawnSync } from 'node:child_process'
import process from 'node:process'

const python = process.argv[2] ?? 'python3'
const { status } = spawnSync(
  python,
  [
    '-m',
    'grpc_tools.protoc',
    '-I',
    'proto',
    '--descriptor_set_out=plugin/checkstream_vllm/engine.binpb',
    'proto/checkstream/v1/engine.proto',
  ],
  { stdio: 'inherit' },
)
process.exit(status ?? 1)
