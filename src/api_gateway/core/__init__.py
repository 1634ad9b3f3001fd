"""The gateway itself: what every other part is made of. Standard library only."""
