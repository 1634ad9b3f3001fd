"""What the gateway is measured against: proxies with nothing in them but proxying."""
