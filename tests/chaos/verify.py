"""Reads everything that the clients of a chaos run wrote, through a new session of the last client, after a sync.

    verify.py SERVERS
"""

import random
import sys

import workload
import zkwire


def children(session, path):
    code, values = session.call(zkwire.GET_CHILDREN2, zkwire.watching(path, False))
    return [path + "/" + name for name in values[0]] if code == 0 else []


def read(session, servers):
    session.call(zkwire.SYNC, zkwire.data("/"))
    paths = ["/probes/%d" % number for number in range(servers)] + workload.REGISTERS
    for home in children(session, "/queues"):
        paths += children(session, home)
    for path in paths:
        session.call(zkwire.GET_DATA, zkwire.watching(path, False))
    session.call(zkwire.CLOSE_SESSION)


def main():
    servers = int(sys.argv[1])
    session = workload.Session(workload.count_of_clients(servers) - 1, list(range(1, servers + 1)), random.Random(1))
    for _ in range(5):
        try:
            session.await_connection(20)
            read(session, servers)
            return 0
        except workload.Gone:
            pass
    return 1


if __name__ == "__main__":
    sys.exit(main())
