"""What is read from and written to a terminal or a pipe: streams, the console, interrupts."""
