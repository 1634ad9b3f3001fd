"""The gateway as a process: sockets, workers, admin pages, command line."""
