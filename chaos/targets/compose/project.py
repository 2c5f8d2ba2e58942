"""The project's name: the one that Compose itself would use for the stack, normalised in the same way for 1.29 and v2.

docker-compose 1.29 and `docker compose` use the same sources but normalise differently: v2 also strips leading dashes
and underscores, and refuses a name that is not normal, while 1.29 changes it. The engine accepts only v2's form, so
that form is passed to both with --project-name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from chaos.errors import BadExperiment
from chaos.experiment.stack import Stack

VARIABLE = "COMPOSE_PROJECT_NAME"
_VALUE = r"""(?:'([^']*)'|"([^"]*)"|([^#\r\n]*))"""
_IN_ENV_FILE = re.compile(rf"^[ \t]*(?:export[ \t]+)?{VARIABLE}[ \t]*=[ \t]*{_VALUE}", re.MULTILINE)


def name(stack: Stack, environ: Mapping[str, str]) -> str:
    """COMPOSE_PROJECT_NAME of `environ` or the stack's .env file, else the file's `name:`, else the folder's name.

    Raises BadExperiment if normalisation leaves nothing that Compose accepts.
    """
    asked = environ[VARIABLE] if VARIABLE in environ else _from_env_file(stack.root)
    text = asked or stack.name or stack.root.name
    if found := re.sub(r"[^a-z0-9_-]", "", text.lower()).lstrip("_-"):
        return found
    raise BadExperiment(
        f"{stack.path}: {text!r} gives no name of a Compose project, which has lower-case letters, digits, dashes and "
        f"underscores and begins with a letter or digit; set {VARIABLE}=NAME"
    )


def _from_env_file(folder: Path) -> str:
    try:
        text = (folder / ".env").read_text("utf-8-sig", errors="replace")
    except OSError:
        return ""
    found = _IN_ENV_FILE.findall(text)
    return "".join(found[-1]).strip() if found else ""
