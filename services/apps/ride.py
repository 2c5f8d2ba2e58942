"""Ride calls: drivers report their position and get nearby calls, as long as Valkey has the position."""

from __future__ import annotations

import hashlib
import time
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.common.cache import Cache
from services.common.identity import user_of
from services.common.web import Service, answer, body

DRIVERS = "ride:drivers"
SEEN = "ride:seen"
ON_DUTY = 600  # seconds that a driver counts as available after the last report
REACH_KM = 5
CALLS = 3  # maximum number at a time
ROUND = 5  # seconds; riders near a driver ask again in each
# Both keys belong together, so they are set together. Positions of inactive drivers are removed at the same time.
AVAILABLE = """
redis.call('GEOADD', KEYS[1], ARGV[2], ARGV[3], ARGV[1])
redis.call('ZADD', KEYS[2], ARGV[4], ARGV[1])
local gone = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[4] - ARGV[5], 'LIMIT', 0, 100)
for _, driver in ipairs(gone) do
    redis.call('ZREM', KEYS[1], driver)
    redis.call('ZREM', KEYS[2], driver)
end
return 1
"""


class Place(msgspec.Struct):
    lat: Annotated[float, msgspec.Meta(ge=-85.0, le=85.0)]  # limits of a geohash in Valkey
    lon: Annotated[float, msgspec.Meta(ge=-180.0, le=180.0)]


class Ride:
    def __init__(self) -> None:
        self.cache = Cache()

    async def available(self, request: Request) -> Response:
        driver = user_of(request)
        place = await body(request, Place)
        now = int(time.time())
        await self.cache.write("EVAL", AVAILABLE, 2, DRIVERS, SEEN, driver, place.lon, place.lat, now, ON_DUTY)
        return answer({"driver": driver})

    async def calls(self, request: Request) -> Response:
        driver = user_of(request)
        positions = await self.cache.read("GEOPOS", DRIVERS, driver)
        seen = await self.cache.read("ZSCORE", SEEN, driver)
        if positions[0] is None or seen is None or float(seen) < time.time() - ON_DUTY:
            return answer({"calls": []})
        lon, lat = (float(part) for part in positions[0])
        rivals = await self.cache.read(
            "GEOSEARCH", DRIVERS, "FROMLONLAT", lon, lat, "BYRADIUS", REACH_KM, "km", "ASC", "COUNT", 50
        )
        return answer({"calls": _riders(driver, lat, lon, len(rivals), int(time.time() // ROUND))})


def _riders(driver: str, lat: float, lon: float, drivers: int, turn: int) -> list[dict[str, object]]:
    """Riders near a driver in this round; the more drivers are near, the fewer riders for each.

    Riders are not part of this stack, so they are drawn at random: the same ones for every request in a round.
    """
    calls = []
    for number in range(max(1, CALLS // max(1, drivers))):
        draw = hashlib.sha256(f"{driver}:{turn}:{number}".encode()).digest()
        north, east = (draw[0] / 255 - 0.5) / 50, (draw[1] / 255 - 0.5) / 50
        calls.append({"id": draw.hex()[:16], "lat": round(lat + north, 6), "lon": round(lon + east, 6)})
    return calls


def main() -> None:
    ride = Ride()
    routes = [Route("/ride/available", ride.available, methods=["POST"]), Route("/ride/calls", ride.calls)]
    Service("ride", routes, parts=[ride.cache]).run()


if __name__ == "__main__":
    main()
