build_gateway = None
