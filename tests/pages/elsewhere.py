"""Stand-ins of what pages reach over a network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.pages.blocks import Block
from tests.pages.room import Room
from tests.publishing import writable_hub
from tests.remote.hub import COMMITS, Hub
from tests.remote.server import Web, serving


def a_web_server(room: Room, file: Path) -> None:
    """https://example.org serves a file."""
    pytest.importorskip("aiohttp")
    room.monkeypatch.setenv("LABELCODEC_CACHE", str(room.path / "cache"))
    web = room.stack.enter_context(serving(Web({f"/{file.name}": file.read_bytes()})))
    room.stand_ins["https://example.org"] = web.url


def the_hub(room: Room) -> None:
    """A Hub that takes OWNER/NAME, and then gives what it took."""
    constants = pytest.importorskip("huggingface_hub.constants")
    taken = room.stack.enter_context(writable_hub.serving(writable_hub.WritableHub()))
    room.stand_ins["OWNER/NAME"] = "org/name"
    room.monkeypatch.setenv("HF_TOKEN", taken.token)
    room.monkeypatch.setattr(constants, "HF_HUB_CACHE", str(room.path / "hub"))
    room.monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)

    @contextmanager
    def around(block: Block) -> Iterator[None]:
        commit = COMMITS[0]
        giving = Hub({"main": commit}, {commit: dict(taken.files)}).web()
        with serving(giving) as web, room.monkeypatch.context() as patch:
            url = web.url if "hf://" in block.code else taken.url
            template = f"{url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
            patch.setattr(constants, "ENDPOINT", url)
            patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
            yield

    room.around = around


def one_page_of_a_server(room: Room) -> None:
    """Python's web server is left after one page, at a free port."""
    served = "python -u -m http.server 0 "
    room.stand_ins["python -m http.server "] = served
    (room.path / "one_page.sh").write_text(_ONE_PAGE)
    room.stand_ins[served] = f"bash one_page.sh {served}"


_ONE_PAGE = """
coproc SERVER { exec "$@"; }
read -r -u "${SERVER[0]}" line
port=$(sed 's/.*port \\([0-9]*\\).*/\\1/' <<< "$line")
python -c "from urllib.request import urlopen
assert b'slc.js' in urlopen('http://127.0.0.1:$port/viewer.js').read()"
kill "$SERVER_PID"
"""
