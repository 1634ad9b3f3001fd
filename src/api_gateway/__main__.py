"""`python -m api_gateway` is `api-gateway`."""

import sys

from api_gateway.server.cli import main

sys.exit(main())
