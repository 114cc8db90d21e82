"""vLLM's API server with one engine and every tool parser: tool_server.py MODEL SOCKET PARSER...

One engine costs half a minute, a parser nothing, so each parser gets an app of its own around the
same engine; POST /use/PARSER says which one answers from now on. Test only.
"""

import asyncio
import copy
import json
import sys

import uvicorn
from vllm.entrypoints.launchers.api_server.app_state import init_app_state
from vllm.entrypoints.launchers.api_server.entry import build_async_engine_client
from vllm.entrypoints.launchers.app import build_app
from vllm.entrypoints.launchers.cli_args import make_arg_parser, validate_parsed_serve_args
from vllm.utils.argparse_utils import FlexibleArgumentParser

MODEL, SOCKET, *PARSERS = sys.argv[1:]


def arguments(parser):
    given = ["--model", MODEL, "--served-model-name", "demo", "--enforce-eager"]
    given += ["--dtype", "float32", "--max-model-len", "512", "--max-num-seqs", "8"]
    given += ["--distributed-executor-backend", "uni"]
    given += ["--enable-auto-tool-choice", "--tool-call-parser", parser]
    given += ["--logits-processors", "adversary:Script", "checkstream_vllm:CheckStream"]
    args = make_arg_parser(FlexibleArgumentParser()).parse_args(given)
    validate_parsed_serve_args(args)
    return args


async def make_app(engine, parser, tasks):
    args = arguments(parser)
    app = build_app(args, tasks, engine.model_config)
    await init_app_state(engine, app.state, args, tasks)
    return app


class Chosen:
    """Passes on to the app of the parser that was named last. `refused`: those vLLM would not make."""

    def __init__(self):
        self.apps, self.refused, self.name = {}, {}, ""

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and scope["path"].startswith("/use/"):
            self.name = scope["path"].removeprefix("/use/")
            body = json.dumps({"refused": self.refused.get(self.name)}).encode()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": body})
        elif scope["type"] == "http":
            await self.apps[self.name](scope, receive, send)


async def main():
    chosen = Chosen()
    async with build_async_engine_client(copy.copy(arguments(PARSERS[0]))) as engine:
        tasks = await engine.get_supported_tasks()
        for parser in PARSERS:
            try:
                chosen.apps[parser] = await make_app(engine, parser, tasks)
                chosen.name = chosen.name or parser
            except Exception as error:
                chosen.refused[parser] = f"{type(error).__name__}: {error}"
        config = uvicorn.Config(chosen, uds=SOCKET, log_level="warning", lifespan="off")
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    asyncio.run(main())
