"""The services behind the gateway: their endpoints, and who of them gets the next request."""
