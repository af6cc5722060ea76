"""Freed memory is used again instead of being asked for anew."""

import platform
import subprocess
import sys

import pytest

PAGES_OF_A_ROUND = 2 * 4 * 1024 // 4
SCRIPT = """
import resource
from workers.allocator import keep_freed_memory
if {keep}:
    assert keep_freed_memory()

def fill():
    held = [bytes(bytearray(4 << 20)) for _ in range(2)]

for _ in range(3):
    fill()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    fill()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def pages_asked_for(*, keep: bool) -> int:
    """By ten rounds that fill megabytes and let go of them."""
    ran = subprocess.run([sys.executable, "-c", SCRIPT.format(keep=keep)], capture_output=True, check=True, text=True)
    return int(ran.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have their own way")
def test_a_batch_gets_the_pages_of_the_one_before() -> None:
    assert pages_asked_for(keep=False) > 5 * PAGES_OF_A_ROUND
    assert pages_asked_for(keep=True) < PAGES_OF_A_ROUND
