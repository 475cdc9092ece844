import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.api.transaction.CuratorTransactionResult;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.barriers.DistributedBarrier;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;
import org.apache.curator.framework.recipes.cache.ChildData;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.cache.CuratorCacheListener;
import org.apache.curator.framework.recipes.cache.NodeCache;
import org.apache.curator.framework.recipes.cache.PathChildrenCache;
import org.apache.curator.framework.recipes.cache.TreeCache;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.leader.LeaderSelector;
import org.apache.curator.framework.recipes.leader.LeaderSelectorListenerAdapter;
import org.apache.curator.framework.recipes.locks.InterProcessMultiLock;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.locks.Lease;
import org.apache.curator.framework.recipes.nodes.GroupMember;
import org.apache.curator.framework.recipes.nodes.PersistentNode;
import org.apache.curator.framework.recipes.nodes.PersistentTtlNode;
import org.apache.curator.framework.recipes.queue.DistributedQueue;
import org.apache.curator.framework.recipes.queue.QueueBuilder;
import org.apache.curator.framework.recipes.queue.QueueConsumer;
import org.apache.curator.framework.recipes.queue.QueueSerializer;
import org.apache.curator.framework.recipes.queue.SimpleDistributedQueue;
import org.apache.curator.framework.recipes.shared.SharedCount;
import org.apache.curator.framework.recipes.shared.SharedValue;
import org.apache.curator.framework.recipes.watch.PersistentWatcher;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.ExponentialBackoffRetry;
import org.apache.curator.retry.RetryOneTime;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.ZooDefs;
import org.apache.zookeeper.data.Stat;

/** Curator's recipes as an application uses them, two clients beside each other, against the servers in argument 1.
 * Every case prints one line: "ok NAME", or "not ok NAME: why". */
public class CuratorRecipes {
    static final int WAIT_S = 20;
    static CuratorFramework a, b;
    static ExecutorService pool;
    static int failed = 0;

    interface Case {
        void run(String path) throws Exception;
    }

    static void expect(boolean is, String what) {
        if (!is) {
            throw new IllegalStateException(what);
        }
    }

    interface Condition {
        boolean holds() throws Exception;
    }

    /** Until it holds: caches and listeners answer in their own time. */
    static void eventually(String what, Condition condition) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(WAIT_S);
        while (!condition.holds()) {
            expect(System.nanoTime() < deadline, what);
            Thread.sleep(5);
        }
    }

    /** Sees from now on what the other wrote: they may talk to different servers. */
    static CuratorFramework upToDate(CuratorFramework client) throws Exception {
        client.sync().forPath("/");
        return client;
    }

    static CuratorFramework upToDate() throws Exception {
        return upToDate(b);
    }

    static void run(String name, Case test) {
        String path = "/curator/" + name.replaceAll("[^a-z]", "");
        try {
            Future<Void> done = pool.submit((Callable<Void>)() -> {
                test.run(path);
                return null;
            });
            done.get(3 * WAIT_S, TimeUnit.SECONDS);
            System.out.println("ok " + name);
        } catch (Exception error) {
            failed++;
            Throwable cause = error.getCause() == null ? error : error.getCause();
            System.out.println("not ok " + name + ": " + cause);
        }
    }

    static CuratorFramework client(String hosts) throws Exception {
        CuratorFramework client = CuratorFrameworkFactory.builder().connectString(hosts).sessionTimeoutMs(10000)
            .connectionTimeoutMs(10000).retryPolicy(new ExponentialBackoffRetry(50, 8)).build();
        client.start();
        expect(client.blockUntilConnected(WAIT_S, TimeUnit.SECONDS), "no connection");
        return client;
    }

    // ---- locks ----

    static void mutex(String path) throws Exception {
        AtomicInteger inside = new AtomicInteger(), most = new AtomicInteger(), turns = new AtomicInteger();
        List<Future<?>> all = new ArrayList<>();
        for (int i = 0; i < 6; i++) {
            InterProcessMutex lock = new InterProcessMutex(i % 2 == 0 ? a : b, path);
            all.add(pool.submit((Callable<Void>)() -> {
                for (int turn = 0; turn < 5; turn++) {
                    expect(lock.acquire(WAIT_S, TimeUnit.SECONDS), "not acquired");
                    most.accumulateAndGet(inside.incrementAndGet(), Math::max);
                    turns.incrementAndGet();
                    inside.decrementAndGet();
                    lock.release();
                }
                return null;
            }));
        }
        for (Future<?> one : all) {
            one.get();
        }
        expect(turns.get() == 30 && most.get() == 1, turns + " turns, at most " + most + " at once");
        InterProcessMutex held = new InterProcessMutex(a, path), other = new InterProcessMutex(b, path);
        held.acquire();
        held.acquire();
        expect(!other.acquire(200, TimeUnit.MILLISECONDS), "two hold one lock");
        held.release();
        held.release();
        expect(other.acquire(WAIT_S, TimeUnit.SECONDS), "released, and not acquired");
        other.release();
    }

    static void readWriteLock(String path) throws Exception {
        InterProcessReadWriteLock one = new InterProcessReadWriteLock(a, path), two =
            new InterProcessReadWriteLock(b, path);
        one.readLock().acquire();
        expect(two.readLock().acquire(WAIT_S, TimeUnit.SECONDS), "readers share");
        expect(!two.writeLock().acquire(200, TimeUnit.MILLISECONDS), "a writer beside readers");
        two.readLock().release();
        one.readLock().release();
        expect(two.writeLock().acquire(WAIT_S, TimeUnit.SECONDS), "no reader is left");
        expect(!one.readLock().acquire(200, TimeUnit.MILLISECONDS), "a reader beside a writer");
        two.writeLock().release();
    }

    static void semaphore(String path) throws Exception {
        InterProcessSemaphoreV2 one = new InterProcessSemaphoreV2(a, path, 3), two =
            new InterProcessSemaphoreV2(b, path, 3);
        Collection<Lease> leases = one.acquire(2);
        Lease third = two.acquire(WAIT_S, TimeUnit.SECONDS);
        expect(third != null && two.acquire(200, TimeUnit.MILLISECONDS) == null, "three leases, not more");
        one.returnAll(leases);
        Collection<Lease> again = two.acquire(2, WAIT_S, TimeUnit.SECONDS);
        expect(again != null, "returned leases are there again");
        two.returnAll(again);
        two.returnLease(third);
    }

    static void multiLock(String path) throws Exception {
        InterProcessMultiLock lock = new InterProcessMultiLock(a, Arrays.asList(path + "/x", path + "/y"));
        lock.acquire();
        expect(!new InterProcessMutex(b, path + "/y").acquire(200, TimeUnit.MILLISECONDS), "one of both is free");
        lock.release();
    }

    // ---- leaders ----

    static void leaderLatch(String path) throws Exception {
        List<LeaderLatch> latches = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            latches.add(new LeaderLatch(i % 2 == 0 ? a : b, path, "id-" + i));
            latches.get(i).start();
        }
        while (!latches.isEmpty()) {
            eventually("one leads", () -> latches.stream().filter(LeaderLatch::hasLeadership).count() == 1);
            LeaderLatch leader = latches.stream().filter(LeaderLatch::hasLeadership).findFirst().get();
            expect(latches.get(0).getLeader().getId().equals(leader.getId()), "all know who leads");
            leader.close();
            latches.remove(leader);
        }
    }

    static void leaderSelector(String path) throws Exception {
        CountDownLatch turns = new CountDownLatch(6);
        AtomicInteger leading = new AtomicInteger(), most = new AtomicInteger();
        List<LeaderSelector> all = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            LeaderSelector selector =
                new LeaderSelector(i % 2 == 0 ? a : b, path, new LeaderSelectorListenerAdapter() {
                    public void takeLeadership(CuratorFramework client) {
                        most.accumulateAndGet(leading.incrementAndGet(), Math::max);
                        turns.countDown();
                        leading.decrementAndGet();
                    }
                });
            selector.autoRequeue();
            selector.start();
            all.add(selector);
        }
        expect(turns.await(WAIT_S, TimeUnit.SECONDS) && most.get() == 1, "leadership goes round, one at a time");
        all.forEach(LeaderSelector::close);
    }

    // ---- caches ----

    static void pathChildrenCache(String path) throws Exception {
        a.create().creatingParentsIfNeeded().forPath(path + "/one", "1".getBytes());
        PathChildrenCache cache = new PathChildrenCache(upToDate(), path, true);
        cache.start(PathChildrenCache.StartMode.BUILD_INITIAL_CACHE);
        expect(cache.getCurrentData().size() == 1, "the first picture");
        a.create().forPath(path + "/two", "2".getBytes());
        a.setData().forPath(path + "/one", "changed".getBytes());
        eventually("changes are seen", () -> cache.getCurrentData().size() == 2
            && new String(cache.getCurrentData(path + "/one").getData()).equals("changed"));
        a.delete().forPath(path + "/two");
        eventually("a deletion is seen", () -> cache.getCurrentData(path + "/two") == null);
        cache.close();
    }

    static void treeCache(String path) throws Exception {
        a.create().creatingParentsIfNeeded().forPath(path + "/x/y/z", "deep".getBytes());
        TreeCache cache = new TreeCache(b, path);
        cache.start();
        eventually("the tree is there", () -> cache.getCurrentData(path + "/x/y/z") != null);
        a.delete().deletingChildrenIfNeeded().forPath(path + "/x");
        eventually("and gone", () -> cache.getCurrentData(path + "/x") == null);
        cache.close();
    }

    static void curatorCache(String path) throws Exception {
        a.create().creatingParentsIfNeeded().forPath(path, "0".getBytes());
        CuratorCache cache = CuratorCache.build(upToDate(), path);
        BlockingQueue<String> seen = new LinkedBlockingQueue<>();
        CountDownLatch first = new CountDownLatch(1);
        cache.listenable().addListener(CuratorCacheListener.builder()
            .forCreates(node -> seen.add("created " + node.getPath()))
            .forChanges((old, node) -> seen.add("changed " + node.getPath()))
            .forDeletes(node -> seen.add("deleted " + node.getPath()))
            .forInitialized(first::countDown).build());
        cache.start();
        expect(first.await(WAIT_S, TimeUnit.SECONDS) && seen.poll().equals("created " + path), "the first picture");
        String[] wanted = new String[90];
        for (int i = 0; i < 30; i++) {
            String child = path + "/n" + i;
            a.create().forPath(child, "1".getBytes());
            wanted[3 * i] = "created " + child;
            eventually("created", () -> cache.get(child).isPresent());
            a.setData().forPath(child, "2".getBytes());
            wanted[3 * i + 1] = "changed " + child;
            eventually("changed", () -> new String(cache.get(child).map(ChildData::getData).get()).equals("2"));
            a.delete().forPath(child);
            wanted[3 * i + 2] = "deleted " + child;
            eventually("deleted", () -> !cache.get(child).isPresent());
        }
        for (String one : wanted) {
            String got = seen.poll(WAIT_S, TimeUnit.SECONDS);
            expect(one.equals(got), "wanted " + one + ", was told " + got);
        }
        cache.close();
    }

    static void nodeCache(String path) throws Exception {
        NodeCache cache = new NodeCache(b, path);
        cache.start(true);
        expect(cache.getCurrentData() == null, "nothing yet");
        a.create().creatingParentsIfNeeded().forPath(path, "x".getBytes());
        eventually("created", () -> cache.getCurrentData() != null);
        a.delete().forPath(path);
        eventually("deleted", () -> cache.getCurrentData() == null);
        cache.close();
    }

    static void persistentWatcher(String path) throws Exception {
        a.create().creatingParentsIfNeeded().forPath(path);
        BlockingQueue<WatchedEvent> seen = new LinkedBlockingQueue<>();
        PersistentWatcher watcher = new PersistentWatcher(upToDate(), path, true);
        watcher.getListenable().addListener(seen::add);
        watcher.start();
        eventually("the watch is there", () -> {
            a.setData().forPath(path, new byte[0]);
            return seen.poll(100, TimeUnit.MILLISECONDS) != null;
        });
        a.create().forPath(path + "/x");
        a.setData().forPath(path + "/x", "1".getBytes());
        a.delete().forPath(path + "/x");
        for (String type : new String[] {"NodeCreated", "NodeDataChanged", "NodeDeleted"}) {
            WatchedEvent event;
            do {
                event = seen.poll(WAIT_S, TimeUnit.SECONDS);
            } while (event != null && event.getPath().equals(path)); // of what tried the watch
            expect(event != null && event.getType().name().equals(type), "wanted " + type + ", was told " + event);
        }
        watcher.close();
    }

    // ---- nodes ----

    static void persistentNode(String path) throws Exception {
        PersistentNode node = new PersistentNode(a, CreateMode.EPHEMERAL, false, path + "/p", "x".getBytes());
        node.start();
        expect(node.waitForInitialCreate(WAIT_S, TimeUnit.SECONDS), "it is made");
        upToDate().delete().forPath(path + "/p");
        eventually("it comes back", () -> b.checkExists().forPath(path + "/p") != null);
        node.close();
        eventually("it goes with its owner", () -> b.checkExists().forPath(path + "/p") == null);
    }

    static void groupMember(String path) throws Exception {
        GroupMember one = new GroupMember(a, path, "one"), two = new GroupMember(b, path, "two");
        one.start();
        two.start();
        eventually("both know both", () -> one.getCurrentMembers().size() == 2 && two.getCurrentMembers().size() == 2);
        two.close();
        eventually("one is left", () -> one.getCurrentMembers().size() == 1);
        one.close();
    }

    static void persistentTtlNode(String path) throws Exception {
        PersistentTtlNode node = new PersistentTtlNode(a, path, 600000, "x".getBytes());
        node.start();
        expect(node.waitForInitialCreate(WAIT_S, TimeUnit.SECONDS), "it is made");
        expect(upToDate().checkExists().forPath(path) != null, "and seen");
        node.close();
    }

    static void containersAndTtl(String path) throws Exception {
        a.createContainers(path + "/container/child");
        expect(upToDate().checkExists().forPath(path + "/container/child") != null, "containers are made");
        Stat stat = new Stat();
        a.create().withTtl(900000).storingStatIn(stat).withMode(CreateMode.PERSISTENT_WITH_TTL).forPath(path + "/ttl");
        expect(stat.getEphemeralOwner() == 0, "a TTL node has no owner that is told");
        String made = a.create().withTtl(900000).withMode(CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL)
            .forPath(path + "/ttl-");
        expect(made.matches(".*/ttl-\\d{10}"), made);
    }

    static void protectedMode(String path) throws Exception {
        String made = a.create().creatingParentContainersIfNeeded().withProtection()
            .withMode(CreateMode.EPHEMERAL_SEQUENTIAL).forPath(path + "/p-");
        expect(made.matches(".*/_c_[0-9a-f-]{36}-p-\\d{10}"), made);
        a.delete().guaranteed().forPath(made);
        String async = path + "/background";
        CountDownLatch done = new CountDownLatch(1);
        a.create().inBackground((client, event) -> done.countDown()).forPath(async);
        expect(done.await(WAIT_S, TimeUnit.SECONDS) && upToDate().checkExists().forPath(async) != null, "in the background");
    }

    static void transactions(String path) throws Exception {
        a.create().creatingParentsIfNeeded().forPath(path, "0".getBytes());
        Collection<CuratorTransactionResult> results = a.transaction().forOperations(
            a.transactionOp().create().forPath(path + "/x", "1".getBytes()),
            a.transactionOp().setData().withVersion(0).forPath(path, "1".getBytes()),
            a.transactionOp().check().withVersion(1).forPath(path),
            a.transactionOp().create().withMode(CreateMode.EPHEMERAL).forPath(path + "/e"),
            a.transactionOp().delete().forPath(path + "/x"));
        expect(results.size() == 5, "a result for each");
        try {
            a.transaction().forOperations(a.transactionOp().create().forPath(path + "/y"),
                a.transactionOp().check().withVersion(7).forPath(path));
            expect(false, "a failing check passed");
        } catch (KeeperException.BadVersionException wanted) {
            expect(wanted.getResults().size() == 2, "the results come with the failure");
        }
        expect(upToDate().checkExists().forPath(path + "/y") == null, "nothing of it is done");
    }

    static void accessControl(String path) throws Exception {
        CuratorFramework owner = CuratorFrameworkFactory.builder().connectString(a.getZookeeperClient()
            .getCurrentConnectionString()).authorization("digest", "me:mine".getBytes())
            .retryPolicy(new RetryOneTime(100)).build();
        owner.start();
        owner.create().creatingParentsIfNeeded().withACL(ZooDefs.Ids.CREATOR_ALL_ACL).forPath(path + "/mine");
        try {
            upToDate().getData().forPath(path + "/mine");
            expect(false, "a stranger read it");
        } catch (KeeperException.NoAuthException wanted) {
            expect(owner.getACL().forPath(path + "/mine").get(0).getId().getScheme().equals("digest"), "its owner");
        }
        owner.close();
    }

    // ---- counters, barriers, queues ----

    static void counters(String path) throws Exception {
        List<Future<?>> all = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            DistributedAtomicLong counter =
                new DistributedAtomicLong(i % 2 == 0 ? a : b, path + "/long", new ExponentialBackoffRetry(5, 10, 50));
            all.add(pool.submit((Callable<Void>)() -> {
                for (int turn = 0; turn < 10; ) {
                    turn += counter.increment().succeeded() ? 1 : 0;
                }
                return null;
            }));
        }
        for (Future<?> one : all) {
            one.get();
        }
        long sum = new DistributedAtomicLong(upToDate(a), path + "/long", new RetryOneTime(10)).get().postValue();
        expect(sum == 40, "40 increments made " + sum);
        SharedCount one = new SharedCount(a, path + "/shared", 5), two = new SharedCount(b, path + "/shared", 5);
        one.start();
        two.start();
        one.setCount(6);
        eventually("the other sees it", () -> two.getCount() == 6);
        expect(two.trySetCount(two.getVersionedValue(), 7), "it has the newest version");
        one.close();
        two.close();
        SharedValue value = new SharedValue(a, path + "/value", "x".getBytes());
        value.start();
        value.setValue("y".getBytes());
        eventually("a shared value", () -> new String(value.getValue()).equals("y"));
        value.close();
    }

    static void barriers(String path) throws Exception {
        DistributedBarrier barrier = new DistributedBarrier(a, path + "/one");
        barrier.setBarrier();
        DistributedBarrier others = new DistributedBarrier(upToDate(), path + "/one");
        Future<Boolean> through = pool.submit(() -> others.waitOnBarrier(WAIT_S, TimeUnit.SECONDS));
        Thread.sleep(100);
        expect(!through.isDone(), "nobody waits");
        barrier.removeBarrier();
        expect(through.get(), "nobody was let through");
        List<Future<Boolean>> members = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            DistributedDoubleBarrier both = new DistributedDoubleBarrier(i % 2 == 0 ? a : b, path + "/two", 4);
            members.add(pool.submit(() -> both.enter(WAIT_S, TimeUnit.SECONDS) && both.leave(WAIT_S, TimeUnit.SECONDS)));
        }
        for (Future<Boolean> member : members) {
            expect(member.get(), "one did not come in and out");
        }
    }

    static void queues(String path) throws Exception {
        BlockingQueue<String> seen = new LinkedBlockingQueue<>();
        QueueSerializer<String> text = new QueueSerializer<String>() {
            public byte[] serialize(String item) {
                return item.getBytes();
            }

            public String deserialize(byte[] bytes) {
                return new String(bytes);
            }
        };
        DistributedQueue<String> queue = QueueBuilder.builder(a, new QueueConsumer<String>() {
            public void consumeMessage(String message) {
                seen.add(message);
            }

            public void stateChanged(CuratorFramework client, ConnectionState state) {}
        }, text, path + "/queue").lockPath(path + "/locks").buildQueue();
        queue.start();
        for (int i = 0; i < 20; i++) {
            queue.put("item " + i);
        }
        for (int i = 0; i < 20; i++) {
            String got = seen.poll(WAIT_S, TimeUnit.SECONDS);
            expect(("item " + i).equals(got), "wanted item " + i + ", got " + got);
        }
        queue.close();
        SimpleDistributedQueue simple = new SimpleDistributedQueue(a, path + "/simple");
        for (int i = 0; i < 5; i++) {
            simple.offer(("s" + i).getBytes());
        }
        for (int i = 0; i < 5; i++) {
            expect(new String(new SimpleDistributedQueue(upToDate(), path + "/simple").take()).equals("s" + i), "its order");
        }
    }

    public static void main(String[] arguments) throws Exception {
        pool = Executors.newCachedThreadPool(task -> {
            Thread thread = new Thread(task);
            thread.setDaemon(true);
            return thread;
        });
        a = client(arguments[0]);
        b = client(arguments[0]);
        run("mutex", CuratorRecipes::mutex);
        run("read-write lock", CuratorRecipes::readWriteLock);
        run("semaphore", CuratorRecipes::semaphore);
        run("multi lock", CuratorRecipes::multiLock);
        run("leader latch", CuratorRecipes::leaderLatch);
        run("leader selector", CuratorRecipes::leaderSelector);
        run("path children cache", CuratorRecipes::pathChildrenCache);
        run("tree cache", CuratorRecipes::treeCache);
        run("curator cache", CuratorRecipes::curatorCache);
        run("node cache", CuratorRecipes::nodeCache);
        run("persistent watcher", CuratorRecipes::persistentWatcher);
        run("persistent node", CuratorRecipes::persistentNode);
        run("group member", CuratorRecipes::groupMember);
        run("persistent ttl node", CuratorRecipes::persistentTtlNode);
        run("containers and ttl", CuratorRecipes::containersAndTtl);
        run("protected mode", CuratorRecipes::protectedMode);
        run("transactions", CuratorRecipes::transactions);
        run("access control", CuratorRecipes::accessControl);
        run("counters", CuratorRecipes::counters);
        run("barriers", CuratorRecipes::barriers);
        run("queues", CuratorRecipes::queues);
        System.out.println("done");
        System.out.flush();
        a.close();
        b.close();
        System.exit(failed > 0 ? 1 : 0);
    }
}
