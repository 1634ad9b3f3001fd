"""How a request reaches an endpoint: in this process, or over a socket."""
