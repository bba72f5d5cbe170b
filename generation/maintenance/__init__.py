"""What is done from time to time, and what is held against each other."""
