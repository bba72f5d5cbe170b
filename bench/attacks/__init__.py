"""What `bench.siege` does to a server: bounded in count and time, from a process of its own.

    echo '{"name": "bodies", …}' | python -m bench.attacks

Each attack comes from addresses of its own on the loopback, so that what bounds an address bounds it alone.
"""
