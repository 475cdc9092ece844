"""kazoo's recipes as an application uses them, two clients beside each other. TAP.

    kazoo_recipes.py          one server and three on the default backend
    kazoo_recipes.py --all    on every durable configuration of this build
"""

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from ensemble import Ensemble, Tap, build_configurations, default_configuration  # noqa: E402

from kazoo.client import KazooClient  # noqa: E402
from kazoo.exceptions import BadVersionError, LockTimeout, NodeExistsError, RolledBackError  # noqa: E402
from kazoo.recipe.barrier import Barrier, DoubleBarrier  # noqa: E402
from kazoo.recipe.cache import TreeCache  # noqa: E402
from kazoo.recipe.counter import Counter  # noqa: E402
from kazoo.recipe.election import Election  # noqa: E402
from kazoo.recipe.lease import MultiNonBlockingLease, NonBlockingLease  # noqa: E402
from kazoo.recipe.lock import Lock, ReadLock, Semaphore, WriteLock  # noqa: E402
from kazoo.recipe.partitioner import SetPartitioner  # noqa: E402
from kazoo.recipe.party import Party, ShallowParty  # noqa: E402
from kazoo.recipe.queue import LockingQueue, Queue  # noqa: E402
from kazoo.recipe.watchers import ChildrenWatch, DataWatch, PatientChildrenWatch  # noqa: E402

import datetime  # noqa: E402

WAIT_S = 20


def eventually(what, condition):
    """Until it holds: watchers answer in their own time."""
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


class Recipes:
    def __init__(self, hosts):
        self.a, self.b = (KazooClient(hosts=hosts, timeout=20) for _ in range(2))
        self.a.start(WAIT_S)
        self.b.start(WAIT_S)
        self.pool = ThreadPoolExecutor(12)

    def close(self):
        self.pool.shutdown(wait=False, cancel_futures=True)
        for client in (self.a, self.b):
            client.stop()
            client.close()

    def settled(self):
        """What a wrote, b sees from now on: they may talk to different servers."""
        self.b.sync("/")
        return self.b

    # ---- locks ----

    def lock(self, path):
        inside, turns = [], []

        def work(client):
            for _ in range(5):
                with Lock(client, path, "me"):
                    inside.append(1)
                    assert len(inside) == 1, "two hold one lock"
                    turns.append(1)
                    inside.pop()

        for job in [self.pool.submit(work, client) for client in (self.a, self.b) * 3]:
            job.result(WAIT_S)
        assert len(turns) == 30
        held = Lock(self.a, path, "holder")
        held.acquire()
        other = Lock(self.settled(), path, "waiter")
        assert not other.acquire(blocking=False), "not blocking, and acquired"
        try:
            other.acquire(timeout=0.2)
            raise AssertionError("two hold one lock")
        except LockTimeout:
            pass
        self.a.sync("/")  # that the waiter gave up was told to another server
        assert held.contenders() == ["holder"]
        held.release()
        assert other.acquire(timeout=WAIT_S)
        other.release()

    def read_write_lock(self, path):
        one, two, writer = ReadLock(self.a, path), ReadLock(self.b, path), WriteLock(self.b, path)
        assert one.acquire(timeout=WAIT_S) and two.acquire(timeout=WAIT_S), "readers share"
        assert not writer.acquire(blocking=False), "a writer beside readers"
        one.release(), two.release()
        assert writer.acquire(timeout=WAIT_S)
        self.a.sync("/")
        assert not one.acquire(blocking=False), "a reader beside a writer"
        writer.release()

    def semaphore(self, path):
        held = [Semaphore(self.a, path, max_leases=2) for _ in range(2)]
        assert all(one.acquire(timeout=WAIT_S) for one in held)
        third = Semaphore(self.settled(), path, max_leases=2)
        assert not third.acquire(blocking=False), "more leases than there are"
        held[0].release()
        assert third.acquire(timeout=WAIT_S)
        assert len(third.lease_holders()) == 2
        third.release(), held[1].release()

    def lease(self, path):
        hour = datetime.timedelta(hours=1)
        assert NonBlockingLease(self.a, path + "/one", hour, identifier="a")
        assert not NonBlockingLease(self.settled(), path + "/one", hour, identifier="b"), "the other holds it"
        assert NonBlockingLease(self.a, path + "/one", hour, identifier="a"), "its own again"
        assert MultiNonBlockingLease(self.a, 2, path + "/two", hour, identifier="a")
        assert MultiNonBlockingLease(self.settled(), 2, path + "/two", hour, identifier="b")
        self.a.sync("/")
        assert not MultiNonBlockingLease(self.a, 2, path + "/two", hour, identifier="c")

    def election(self, path):
        led, leading = [], []

        def lead(name):
            leading.append(name)
            assert len(leading) == 1, "two lead"
            led.append(name)
            leading.pop()

        jobs = [self.pool.submit(Election(client, path, name).run, lead, name)
                for name, client in (("a", self.a), ("b", self.b), ("c", self.a))]
        for job in jobs:
            job.result(WAIT_S)
        assert sorted(led) == ["a", "b", "c"]

    # ---- counting and meeting ----

    def counter(self, path):
        def work(client):
            counter = Counter(client, path)
            for _ in range(10):
                counter += 2

        for job in [self.pool.submit(work, client) for client in (self.a, self.b)]:
            job.result(WAIT_S)
        assert Counter(self.settled(), path).value == 40
        floating = Counter(self.a, path + "-f", default=0.0)
        floating += 1.5
        assert floating.value == 1.5

    def barrier(self, path):
        barrier = Barrier(self.a, path)
        barrier.create()
        waiting = self.pool.submit(Barrier(self.settled(), path).wait, WAIT_S)
        time.sleep(0.1)
        assert not waiting.done(), "let through"
        barrier.remove()
        assert waiting.result(WAIT_S)

    def double_barrier(self, path):
        inside = []

        def member(client, name):
            both = DoubleBarrier(client, path, 3, identifier=name)
            both.enter()
            inside.append(name)
            eventually("all come in", lambda: len(inside) == 3)
            both.leave()
            return both.participating

        jobs = [self.pool.submit(member, client, name) for name, client in
                (("x", self.a), ("y", self.b), ("z", self.a))]
        for job in jobs:
            job.result(2 * WAIT_S)

    def party(self, path):
        for kind in (Party, ShallowParty):
            one, two = kind(self.a, path + kind.__name__, "one"), kind(self.b, path + kind.__name__, "two")
            one.join(), two.join()
            eventually("both know both", lambda: sorted(one) == ["one", "two"] and len(two) == 2)
            two.leave()
            eventually("one is left", lambda: list(one) == ["one"])
            one.leave()

    def set_partitioner(self, path):
        stop, held, lock = threading.Event(), {}, threading.Lock()

        def member(client, name):
            partition = SetPartitioner(client, path, set=tuple("abcdef"), identifier=name, time_boundary=0.3)
            while not stop.wait(0.01):
                assert not partition.failed, "the partition failed"
                with lock:
                    held[name] = tuple(partition) if partition.acquired else ()
                if partition.release:
                    partition.release_set()
                elif partition.allocating:
                    partition.wait_for_acquire(1)
            partition.finish()

        jobs = [self.pool.submit(member, client, name) for name, client in (("p", self.a), ("q", self.b))]

        def is_shared():
            with lock:
                return len(held) == 2 and sorted(held["p"] + held["q"]) == list("abcdef") and \
                    all(len(mine) == 3 for mine in held.values())

        eventually("each has a half", is_shared)
        stop.set()
        for job in jobs:
            job.result(WAIT_S)

    # ---- queues ----

    def queue(self, path):
        queue = Queue(self.a, path)
        for i in range(10):
            queue.put(b"%d" % i, priority=100 if i < 5 else 50)
        other = Queue(self.settled(), path)
        assert len(other) == 10
        assert [other.get() for _ in range(10)] == [b"%d" % i for i in (5, 6, 7, 8, 9, 0, 1, 2, 3, 4)]
        assert other.get() is None

    def locking_queue(self, path):
        LockingQueue(self.a, path).put_all([b"one", b"two"])
        one, two = LockingQueue(self.a, path), LockingQueue(self.settled(), path)
        assert one.get(WAIT_S) == b"one" and two.get(WAIT_S) == b"two"
        assert one.holds_lock() and one.consume() and two.release()
        assert one.get(WAIT_S) == b"two" and one.consume()

    # ---- watching ----

    def data_watch(self, path):
        seen = []
        self.b.DataWatch(path)(lambda data, stat: seen.append(data))
        DataWatch(self.b, path + "-func", func=lambda data, stat, event: seen.append(event and event.type))
        self.a.create(path, b"0", makepath=True)
        for i in range(1, 20):
            eventually("the last change", lambda: seen and seen[-1] == b"%d" % (i - 1))
            self.a.set(path, b"%d" % i)
        eventually("changes", lambda: seen[-1] == b"19")
        self.a.delete(path)
        eventually("deletion", lambda: seen[-1] is None)

    def children_watch(self, path):
        seen, patient = [], []
        self.a.ensure_path(path)
        ChildrenWatch(self.settled(), path, lambda children: seen.append(sorted(children)))
        for i in range(10):
            self.a.create("%s/%d" % (path, i), b"")
            eventually("each child", lambda: seen[-1] == [str(n) for n in range(i + 1)])
        watcher = PatientChildrenWatch(self.b, path, time_boundary=0.2).start()
        patient, _ = watcher.get(timeout=WAIT_S)
        assert len(patient) == 10

    def tree_cache(self, path):
        self.a.ensure_path(path + "/x")
        events = []
        cache = TreeCache(self.settled(), path)
        cache.listen(lambda event: events.append(event.event_type))
        cache.start()
        eventually("the first picture", lambda: cache.get_data(path + "/x") is not None)
        self.a.create(path + "/x/y", b"deep")
        eventually("a deep node", lambda: getattr(cache.get_data(path + "/x/y"), "data", None) == b"deep")
        self.a.delete(path + "/x", recursive=True)
        eventually("gone", lambda: cache.get_data(path + "/x") is None)
        cache.close()

    # ---- transactions, retries, sessions ----

    def transaction(self, path):
        self.a.create(path, b"", makepath=True)
        t = self.a.transaction()
        t.create(path + "/x", b"1")
        t.set_data(path, b"2", version=0)
        t.check(path, 1)
        t.delete(path + "/x")
        results = t.commit()
        assert results[0] == path + "/x" and results[1].version == 1 and results[2:] == [True, True], results
        t = self.a.transaction()
        t.create(path + "/y", b"")
        t.check(path, 9)
        results = t.commit()
        assert isinstance(results[0], RolledBackError) and isinstance(results[1], BadVersionError), results
        assert self.settled().exists(path + "/y") is None

    def sessions(self, path):
        short = KazooClient(hosts=self.a.hosts and ",".join("%s:%d" % h for h in self.a.hosts), timeout=4)
        short.start(WAIT_S)
        short.create(path, b"", ephemeral=True, makepath=True)
        gone = threading.Event()
        assert self.settled().exists(path, watch=lambda event: gone.set())
        short.stop()
        short.close()
        assert gone.wait(WAIT_S), "an ephemeral outlived its session"
        retry = self.a.retry(self.a.create, path, b"again")
        assert retry == path
        try:
            self.a.retry(self.a.create, path, b"again")
            raise AssertionError("made twice")
        except NodeExistsError:
            pass


NAMES = ("lock", "read_write_lock", "semaphore", "lease", "election", "counter", "barrier", "double_barrier", "party",
         "set_partitioner", "queue", "locking_queue", "data_watch", "children_watch", "tree_cache", "transaction",
         "sessions")


def main():
    tap = Tap()
    backends = build_configurations() if "--all" in sys.argv else [default_configuration()]
    for backend in backends:
        for servers in (1, 3):
            with Ensemble("vivarium", servers, backend) as service:
                recipes = Recipes(service.hosts())
                for name in NAMES:
                    label = "kazoo's %s works: %s, %d servers" % (name.replace("_", " "), backend, servers)
                    try:
                        getattr(recipes, name)("/kazoo/" + name)
                        tap.ok(True, label)
                    except Exception as error:  # whatever went wrong in a recipe is its result
                        tap.ok(False, label, "%r\n%s" % (error, service.logs(5)))
                recipes.close()
    tap.done()
    os._exit(tap.failed > 0)  # threads of a recipe that hangs do not hold up the end


if __name__ == "__main__":
    main()
