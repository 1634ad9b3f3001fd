"""The demo: seven services, an identity provider, the gateway before them, and a terminal that explains itself.

Reading order: `run.py`, `configuration.py`, `welcome.py`, `suggestions.py`; then, on the other side of the sockets,
`services_process.py`, `instances.py`, `services.py`, `shop.py`, `checkout.py`; and who may come in: `accounts.py`,
`key_maker.py`, `identity_provider.py`.
"""

from api_gateway.server.demo.run import run_demo

__all__ = ["run_demo"]
