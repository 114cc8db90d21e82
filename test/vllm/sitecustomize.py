"""Lets the CPU build of vLLM 0.32 run what it keeps for GPUs. On PYTHONPATH in tests only.

CHECKSTREAM_TEST_ASYNC=1  V1 runner with async scheduling, which the CPU platform switches off
CHECKSTREAM_TEST_V2=1     Model Runner V2, its Triton kernels interpreted (needs triton)
"""

import importlib.abc
import importlib.machinery
import os
import sys


def allow_async(module):
    platform = module.CpuPlatform
    original = platform.check_and_update_config.__func__

    def check_and_update_config(cls, config):
        original(cls, config)
        config.scheduler_config.async_scheduling = True

    platform.check_and_update_config = classmethod(check_and_update_config)


def have_triton(module):
    module.HAS_TRITON = True


AFTER = {}
if os.environ.get("CHECKSTREAM_TEST_ASYNC"):
    AFTER["vllm.platforms.cpu"] = allow_async
if os.environ.get("CHECKSTREAM_TEST_V2"):
    os.environ["TRITON_INTERPRET"] = "1"
    os.environ["VLLM_USE_V2_MODEL_RUNNER"] = "1"
    AFTER["vllm.triton_utils.importing"] = have_triton


class After(importlib.abc.MetaPathFinder):
    """Calls AFTER[name](module) once a module of that name has been executed."""

    def find_spec(self, name, path, target=None):
        if name not in AFTER:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            AFTER[name](module)

        spec.loader.exec_module = exec_module
        return spec


if AFTER:
    sys.meta_path.insert(0, After())
