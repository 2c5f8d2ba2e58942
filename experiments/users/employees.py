"""The messaging stack's users, and the employees among them: these use the company's own newest build, the canary."""

from __future__ import annotations

from messaging import GATEWAYS, AppUser, BankUser, BusinessUser, ThirdPartyUser, TokenMember, WebUser

from chaos.load.openloop import journey

__all__ = ["AppUser", "BankUser", "BusinessUser", "Employee", "ThirdPartyUser", "WebUser"]


class Employee(TokenMember):
    """Uses the employees' build of the app, which asks only the canary."""

    weight = 20
    client_type = "employee"
    hosts = ("http://canary-gateway-a:8000",)

    def sign_up(self) -> None:
        """As everybody does: there is one house of accounts, and the canary is slow at first."""
        self.hosts = GATEWAYS  # type: ignore[assignment,misc]  # for this once
        try:
            super().sign_up()
        finally:
            self.hosts = type(self).hosts  # type: ignore[misc]

    @journey("canary")
    def refresh(self) -> None:
        found = self.get("/timeline").json()
        self.want(isinstance(found.get("items"), list), "no list of items")
