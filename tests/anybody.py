"""The least users' file that can be planned with."""

ANYBODY = """from chaos.load.openloop import OpenUser, journey


class Anybody(OpenUser):
    hosts = ["http://127.0.0.1:1"]

    @journey("text")
    def text(self): ...
"""
