"""What goes wrong in a chaos run. A fault is a function of (arena, rng, victims): it strikes, and returns the mending.
FAULTS says who the victims are and for how long; a run draws from it with its seed."""

import random
import signal
import threading

from arena import CLIENTS, FAILING, FROZEN, PASS, SLOW


def others_of(arena, group):
    return [s.number for s in arena.servers if s.number not in group]


def both_ways(a, b):
    return [(x, y) for x in a for y in b] + [(y, x) for x in a for y in b]


# ---- processes

def kill(arena, _, victims):
    for number in victims:
        arena.servers[number - 1].kill()
    return lambda: start(arena, victims)


def start(arena, numbers):
    for number in numbers:
        if arena.servers[number - 1].process is None:
            arena.servers[number - 1].start()


def terminate(arena, _, victims):
    for number in victims:
        code = arena.servers[number - 1].terminate()
        if code != 0:
            raise RuntimeError("server %d, told to stop, ended with %s" % (number, code))
    return lambda: start(arena, victims)


def stop(arena, _, victims):
    for number in victims:
        arena.servers[number - 1].signal(signal.SIGSTOP)
    return lambda: [arena.servers[number - 1].signal(signal.SIGCONT) for number in victims]


def rolling(arena, rng, _):
    """Every server is told to stop and started again, one after the other."""
    numbers = [s.number for s in arena.servers]
    rng.shuffle(numbers)
    for number in numbers:
        terminate(arena, rng, [number])()
        late = arena.await_serving()
        if late:
            raise RuntimeError("servers %s do not serve in a rolling restart" % late)
    return lambda: None


# ---- network

def isolate(arena, _, victims):
    """From the others and from clients."""
    pairs = both_ways(victims, others_of(arena, victims) + [CLIENTS])
    arena.cut(pairs)
    return lambda: arena.mend(pairs)


def isolate_peers(arena, _, victims):
    pairs = both_ways(victims, others_of(arena, victims))
    arena.cut(pairs)
    return lambda: arena.mend(pairs)


def deafen(arena, _, victims):
    """It sends, and hears no other server."""
    pairs = [(other, victim) for victim in victims for other in others_of(arena, victims)]
    arena.cut(pairs)
    return lambda: arena.mend(pairs)


def silence(arena, _, victims):
    """It hears, and no other server hears it."""
    pairs = [(victim, other) for victim in victims for other in others_of(arena, victims)]
    arena.cut(pairs)
    return lambda: arena.mend(pairs)


def cut_one_link(arena, rng, victims):
    """The victim and one other, one way."""
    other = rng.choice(others_of(arena, victims))
    pairs = [rng.choice([(victims[0], other), (other, victims[0])])]
    arena.cut(pairs)
    return lambda: arena.mend(pairs)


def bridge(arena, rng, victims):
    """Two halves that meet only in the victim."""
    rest = others_of(arena, victims)
    rng.shuffle(rest)
    half = len(rest) // 2
    pairs = both_ways(rest[:half], rest[half:])
    arena.cut(pairs)
    return lambda: arena.mend(pairs)


def minority(arena, rng, victims):
    """The victim and another on one side, the majority on the other; clients reach both."""
    rest = others_of(arena, victims)
    rng.shuffle(rest)
    pairs = both_ways(victims + rest[:1], rest[1:])
    arena.cut(pairs)
    return lambda: arena.mend(pairs)


def shatter(arena, _, __):
    """Nobody hears anybody."""
    numbers = [s.number for s in arena.servers]
    pairs = [(a, b) for a in numbers for b in numbers if a != b]
    arena.cut(pairs)
    return lambda: arena.mend(pairs)


def flap(arena, rng, victims):
    """Cut off and joined again, many times."""
    pairs = both_ways(victims, others_of(arena, victims))
    done = threading.Event()
    seed = rng.random()

    def work():
        own = random.Random(seed)
        while not done.is_set():
            arena.cut(pairs)
            done.wait(own.uniform(0.03, 0.7))
            arena.mend(pairs)
            done.wait(own.uniform(0.03, 0.5))
    thread = threading.Thread(target=work, daemon=True)
    thread.start()

    def mend():
        done.set()
        thread.join()
        arena.mend(pairs)
    return mend


# ---- disks

def fill(arena, _, victims):
    for number in victims:
        arena.servers[number - 1].disk.fill()

    def mend():
        for number in victims:
            arena.servers[number - 1].disk.empty()
        start(arena, ended(arena, victims))
    return mend


def ended(arena, numbers):
    """Those of them that have ended; they are buried."""
    gone = [n for n in numbers if arena.servers[n - 1].process is None or arena.servers[n - 1].ended() is not None]
    for number in gone:
        arena.servers[number - 1].kill()
    return gone


def order_syncs(deed):
    def strike(arena, rng, victims):
        for number in victims:
            arena.servers[number - 1].expected_end = deed in (FAILING, FROZEN)
            arena.servers[number - 1].sync(deed, rng.choice((20, 60, 200)))

        def mend():
            for number in victims:
                arena.servers[number - 1].sync(PASS)
            start(arena, ended(arena, victims))
        return mend
    return strike


def break_disk(arena, _, victims):
    """The file system is gone below a running server, with all that was not synced; later the disk is back."""
    for number in victims:
        arena.servers[number - 1].expected_end = True
        arena.servers[number - 1].disk.lose_power()
    return lambda: power_up(arena, victims)


def power_up(arena, victims):
    for number in victims:
        arena.servers[number - 1].kill()
        arena.servers[number - 1].disk.come_back()
    start(arena, victims)


def power_cut(arena, _, victims):
    """At once, and what was not synced is gone."""
    for number in victims:
        arena.servers[number - 1].signal(signal.SIGKILL)
    for number in victims:
        arena.servers[number - 1].kill()
    for number in victims:
        arena.servers[number - 1].disk.lose_power()
    return lambda: power_up(arena, victims)


def wipe(arena, _, victims):
    for number in victims:
        arena.servers[number - 1].kill()
        arena.servers[number - 1].disk.wipe()
    return lambda: start(arena, victims)


# ---- several

SINGLE = (kill, stop, isolate, isolate_peers, deafen, silence, order_syncs(SLOW), power_cut)


def two_at_once(arena, rng, victims):
    """Two servers, each with a trouble of its own."""
    second = rng.choice(others_of(arena, victims))
    mends = [rng.choice(SINGLE)(arena, rng, [number]) for number in (victims[0], second)]

    def mend():
        for one in mends:
            one()
    return mend


LEADER, FOLLOWER, ALL = "leader", "follower", "all"

# name: (fault, victims, least and most seconds until it is mended)
FAULTS = {
    "kill leader": (kill, LEADER, 0.5, 4),
    "kill follower": (kill, FOLLOWER, 0.5, 4),
    "SIGTERM leader": (terminate, LEADER, 0.2, 3),
    "SIGSTOP leader": (stop, LEADER, 1, 14),
    "SIGSTOP follower": (stop, FOLLOWER, 1, 14),
    "isolated leader": (isolate, LEADER, 2, 14),
    "isolated follower": (isolate, FOLLOWER, 2, 14),
    "leader without peers": (isolate_peers, LEADER, 2, 14),
    "deaf leader": (deafen, LEADER, 2, 14),
    "mute leader": (silence, LEADER, 2, 14),
    "deaf follower": (deafen, FOLLOWER, 2, 14),
    "mute follower": (silence, FOLLOWER, 2, 14),
    "one link one way": (cut_one_link, LEADER, 2, 14),
    "bridge": (bridge, FOLLOWER, 2, 14),
    "bridge is leader": (bridge, LEADER, 2, 14),
    "leader in the minority": (minority, LEADER, 2, 14),
    "nobody hears anybody": (shatter, ALL, 2, 8),
    "flapping leader": (flap, LEADER, 3, 10),
    "flapping follower": (flap, FOLLOWER, 3, 10),
    "full disk of leader": (fill, LEADER, 2, 8),
    "full disk of follower": (fill, FOLLOWER, 2, 8),
    "slow disk of leader": (order_syncs(SLOW), LEADER, 3, 10),
    "slow disk of follower": (order_syncs(SLOW), FOLLOWER, 3, 10),
    "frozen disk of leader": (order_syncs(FROZEN), LEADER, 2, 14),
    "frozen disk of follower": (order_syncs(FROZEN), FOLLOWER, 2, 14),
    "failing sync of leader": (order_syncs(FAILING), LEADER, 0.5, 4),
    "failing sync of follower": (order_syncs(FAILING), FOLLOWER, 0.5, 4),
    "broken disk of leader": (break_disk, LEADER, 1, 4),
    "power of leader": (power_cut, LEADER, 0.5, 4),
    "power of all": (power_cut, ALL, 0.1, 2),
    "wiped follower": (wipe, FOLLOWER, 0.2, 3),
    "wiped leader": (wipe, LEADER, 0.2, 3),
    "rolling restart": (rolling, ALL, 0, 0),
    "two at once": (two_at_once, LEADER, 2, 10),
    "two followers": (two_at_once, FOLLOWER, 2, 10),
}


def victims_of(arena, rng, whom):
    if whom == ALL:
        return [s.number for s in arena.servers]
    leader = arena.await_leader()
    return [leader] if whom == LEADER else [rng.choice(others_of(arena, [leader]))]


def draw(rng, names):
    """Fault names without end: each of them once, shuffled, then again."""
    while True:
        order = list(names)
        rng.shuffle(order)
        yield from order
