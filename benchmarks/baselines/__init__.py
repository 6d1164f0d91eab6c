"""What people run without edgeq: plain scripts, written as the public guides show them."""
