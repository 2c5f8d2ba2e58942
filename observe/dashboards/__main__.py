"""Renders every dashboard into observe/grafana/NAME.json, which Grafana reads and a test compares."""

from pathlib import Path

from observe.dashboards import BOARDS
from observe.dashboards.panels import rendered

FOLDER = Path(__file__).parents[1] / "grafana"

if __name__ == "__main__":
    for name, board in BOARDS.items():
        (FOLDER / f"{name}.json").write_text(rendered(board), encoding="utf-8")
        print(f"observe/grafana/{name}.json: {len(board.panels)} panels")
