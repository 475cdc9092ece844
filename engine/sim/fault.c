#include "sim/fault.h"

#include "sim/world.h"

enum { RATE_USUAL = 1024, START_MS = 10 };
#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)

static const struct viv_sim_fault *fault_of(const struct viv_sim_world *world, size_t index)
{
    return &world->plan->faults[index];
}

static size_t server_of(const struct viv_sim_world *world, int32_t named)
{
    size_t leader = named == VIV_SIM_LEADER ? viv_sim_leader(world) : SIZE_MAX;
    return leader != SIZE_MAX ? leader : named < 0 ? 0 : (size_t)named % world->server_count;
}

/* ---- links ---- */

static void cut_both(struct viv_sim_world *world, size_t a, size_t b, int change)
{
    viv_sim_network_cut(world, a, b, change);
    viv_sim_network_cut(world, b, a, change);
}

/* From and to the server, as far as wanted. */
static void cut_others(struct viv_sim_world *world, size_t server, bool from_it, bool to_it, int change)
{
    for (size_t i = 0; i < world->server_count; i++) {
        if (i != server && from_it) {
            viv_sim_network_cut(world, server, i, change);
        }
        if (i != server && to_it) {
            viv_sim_network_cut(world, i, server, change);
        }
    }
}

static void cut_halves(struct viv_sim_world *world, uint64_t half, size_t bridge, int change)
{
    for (size_t a = 0; a < world->server_count; a++) {
        for (size_t b = a + 1; b < world->server_count; b++) {
            if ((half >> a & 1) != (half >> b & 1) && a != bridge && b != bridge) {
                cut_both(world, a, b, change);
            }
        }
    }
}

static void cut_clients(struct viv_sim_world *world, size_t server, int change)
{
    for (size_t i = 0; i < VIV_SIM_CALLERS_MAX; i++) {
        cut_both(world, server, viv_sim_client_host(i), change);
    }
}

static void change_links(struct viv_sim_world *world, const struct viv_sim_fault *fault, size_t a, int change)
{
    size_t b = server_of(world, fault->b);
    size_t client = viv_sim_client_host((size_t)(fault->b < 0 ? 0 : fault->b));
    switch (fault->kind) {
    case VIV_SIM_FAULT_CUT:
    case VIV_SIM_FAULT_FLAP:
        cut_both(world, a, b, change);
        break;
    case VIV_SIM_FAULT_CUT_ONE_WAY:
        viv_sim_network_cut(world, a, b, change);
        break;
    case VIV_SIM_FAULT_ISOLATE:
        cut_others(world, a, true, true, change);
        break;
    case VIV_SIM_FAULT_DEAF:
        cut_others(world, a, false, true, change);
        break;
    case VIV_SIM_FAULT_MUTE:
        cut_others(world, a, true, false, change);
        break;
    case VIV_SIM_FAULT_HALVES:
        cut_halves(world, (uint64_t)fault->amount, SIZE_MAX, change);
        break;
    case VIV_SIM_FAULT_BRIDGE:
        cut_halves(world, (uint64_t)fault->amount, a, change);
        break;
    case VIV_SIM_FAULT_SLOW_LINK:
        viv_sim_network_delay(world, a, b, change * fault->amount);
        break;
    case VIV_SIM_FAULT_CUT_CLIENT:
        cut_both(world, a, client, change);
        break;
    default:
        cut_clients(world, a, change);
        break;
    }
}

/* ---- machines ---- */

static void lose_power(struct viv_sim_world *world)
{
    for (size_t i = 0; i < world->server_count; i++) {
        viv_sim_server_stop(world, i, true);
    }
}

static void come_back(struct viv_sim_world *world, size_t server, int64_t delay_ns)
{
    viv_sim_server_power(world, server);
    viv_sim_server_start(world, server, delay_ns);
}

static void wipe(struct viv_sim_world *world, const struct viv_sim_fault *fault, size_t server)
{
    bool may_forget = viv_sim_rot_may_forget(world, server) || world->options->breaks == VIV_SIM_BREAK_FREE_WIPE;
    viv_sim_server_stop(world, server, may_forget);
    if (may_forget) {
        viv_sim_mark(world, "sim a disk is lost");
        viv_sim_server_wipe(world, server);
        viv_sim_server_power(world, server);
    }
    viv_sim_server_start(world, server, fault->duration_us * NS_PER_US);
}

static void break_disk(struct viv_sim_world *world, size_t server, enum viv_sim_disk_fault fault)
{
    struct viv_sim_disk *disk = world->servers[server].storage.disk;
    viv_sim_disk_set_fault(disk, fault, viv_sim_disk_count(disk) + 1);
}

static enum viv_sim_disk_fault sync_fault(int64_t amount)
{
    return amount == 0 ? VIV_SIM_DISK_SYNC_KEEP : amount == 1 ? VIV_SIM_DISK_SYNC_DROP : VIV_SIM_DISK_SYNC_STORED;
}

/* ---- beginnings and ends ---- */

/* What is over at once, or ends by its own means. False: it lasts. */
static bool begin_once(struct viv_sim_world *world, const struct viv_sim_fault *fault, size_t server)
{
    switch (fault->kind) {
    case VIV_SIM_FAULT_KILL:
        viv_sim_server_stop(world, server, false);
        viv_sim_server_start(world, server, fault->duration_us * NS_PER_US);
        return true;
    case VIV_SIM_FAULT_WIPE:
        wipe(world, fault, server);
        return true;
    case VIV_SIM_FAULT_ROT:
        viv_sim_rot_inflict(world, fault, server);
        return true;
    case VIV_SIM_FAULT_BREAK:
        viv_sim_network_break(world, server, server_of(world, fault->b));
        return true;
    case VIV_SIM_FAULT_RESET_CLIENT:
        for (size_t i = 0; i < world->server_count; i++) {
            viv_sim_network_break(world, i, viv_sim_client_host((size_t)(fault->b < 0 ? 0 : fault->b)));
        }
        return true;
    case VIV_SIM_FAULT_SYNC_FAILS:
        break_disk(world, server, sync_fault(fault->amount));
        return true;
    case VIV_SIM_FAULT_WRITE_FAILS:
        break_disk(world, server, VIV_SIM_DISK_WRITE_FAILS);
        return true;
    case VIV_SIM_FAULT_CLOCK_STEP:
        world->servers[server].clock.wall_ahead_ns += fault->amount * NS_PER_US;
        return true;
    default:
        return false;
    }
}

static void begin(struct viv_sim_world *world, const struct viv_sim_fault *fault, size_t server, int64_t until_ns)
{
    struct viv_sim_server *at = &world->servers[server];
    unsigned amount = (unsigned)(fault->amount > 0 ? fault->amount : 1);
    switch (fault->kind) {
    case VIV_SIM_FAULT_POWER:
        viv_sim_server_stop(world, server, true);
        break;
    case VIV_SIM_FAULT_BLACKOUT:
        lose_power(world);
        break;
    case VIV_SIM_FAULT_PAUSE:
        viv_sim_server_pause(world, server, true);
        break;
    case VIV_SIM_FAULT_SLOW:
        at->slowness = amount;
        break;
    case VIV_SIM_FAULT_DISK_SLOW:
        viv_sim_disk_set_pace(at->storage.disk, amount, until_ns);
        break;
    case VIV_SIM_FAULT_DISK_STALL:
        viv_sim_disk_set_pace(at->storage.disk, VIV_SIM_DISK_STANDS_STILL, until_ns);
        break;
    case VIV_SIM_FAULT_DISK_FULL:
        viv_sim_disk_set_full(at->storage.disk, true);
        break;
    case VIV_SIM_FAULT_CLOCK_RATE:
        viv_sim_server_set_rate(world, server, amount);
        break;
    case VIV_SIM_FAULT_CLOCK_FREEZE:
        viv_sim_server_set_rate(world, server, 0);
        break;
    default:
        change_links(world, fault, server, 1);
        break;
    }
}

static void end(struct viv_sim_world *world, const struct viv_sim_fault *fault, size_t server)
{
    struct viv_sim_server *at = &world->servers[server];
    switch (fault->kind) {
    case VIV_SIM_FAULT_POWER:
        come_back(world, server, START_MS * NS_PER_MS);
        break;
    case VIV_SIM_FAULT_BLACKOUT:
        for (size_t i = 0; i < world->server_count; i++) {
            come_back(world, i, viv_sim_draw(&world->servers[i].rng, 1, fault->duration_us + 1) * NS_PER_US);
        }
        break;
    case VIV_SIM_FAULT_PAUSE:
        viv_sim_mark(world, "sim a paused process goes on");
        viv_sim_server_pause(world, server, false);
        break;
    case VIV_SIM_FAULT_SLOW:
        at->slowness = 1;
        break;
    case VIV_SIM_FAULT_DISK_SLOW:
    case VIV_SIM_FAULT_DISK_STALL:
        viv_sim_disk_set_pace(at->storage.disk, 1, 0);
        break;
    case VIV_SIM_FAULT_DISK_FULL:
        viv_sim_disk_set_full(at->storage.disk, false);
        break;
    case VIV_SIM_FAULT_CLOCK_RATE:
    case VIV_SIM_FAULT_CLOCK_FREEZE:
        viv_sim_server_set_rate(world, server, RATE_USUAL);
        break;
    default:
        change_links(world, fault, server, -1);
        break;
    }
}

void viv_sim_fault_begin(struct viv_sim_world *world, size_t index)
{
    const struct viv_sim_fault *fault = fault_of(world, index);
    struct viv_sim_trouble *trouble = &world->troubles[index];
    if (world->faults_are_over) {
        return;
    }
    trouble->server = server_of(world, fault->a);
    trouble->until_ns = world->now_ns + fault->duration_us * NS_PER_US;
    viv_sim_note(world, viv_sim_fault_text(fault->kind), trouble->server, (uint64_t)fault->b, (struct viv_bytes){0});
    viv_sim_say(world, "%s %zu %d for %lld us, %lld", viv_sim_fault_text(fault->kind), trouble->server + 1, fault->b,
                (long long)fault->duration_us, (long long)fault->amount);
    world->result->faults[fault->kind]++;
    if (begin_once(world, fault, trouble->server)) {
        return;
    }
    trouble->is_on = true;
    /* Disks say at the beginning of a call when it ends: what heals must be known then. */
    int64_t healed_ns = VIV_SIM_GET(world, load_ms) * NS_PER_MS;
    begin(world, fault, trouble->server, trouble->until_ns < healed_ns ? trouble->until_ns : healed_ns);
    int64_t next_ns = fault->kind == VIV_SIM_FAULT_FLAP && fault->amount < fault->duration_us
                          ? world->now_ns + (fault->amount + 1) * NS_PER_US
                          : trouble->until_ns;
    viv_sim_agenda_add(&world->agenda, next_ns, VIV_SIM_DUE_FAULT_ENDS, index, 0);
}

void viv_sim_fault_end(struct viv_sim_world *world, size_t index)
{
    const struct viv_sim_fault *fault = fault_of(world, index);
    struct viv_sim_trouble *trouble = &world->troubles[index];
    if (world->faults_are_over) {
        return;
    }
    bool goes_on = fault->kind == VIV_SIM_FAULT_FLAP && world->now_ns < trouble->until_ns;
    if (trouble->is_on) {
        end(world, fault, trouble->server);
    } else if (goes_on) {
        begin(world, fault, trouble->server, trouble->until_ns);
    }
    trouble->is_on = goes_on && !trouble->is_on;
    if (goes_on || trouble->is_on) {
        viv_sim_agenda_add(&world->agenda, world->now_ns + (fault->amount + 1) * NS_PER_US, VIV_SIM_DUE_FAULT_ENDS,
                           index, 0);
    }
}

/* ---- the end of all of it ---- */

static void heal_server(struct viv_sim_world *world, size_t server)
{
    struct viv_sim_server *at = &world->servers[server];
    at->slowness = 1;
    at->stays_down = false;
    viv_sim_disk_set_pace(at->storage.disk, 1, 0);
    viv_sim_disk_make_room(at->storage.disk);
    if (world->options->breaks != VIV_SIM_BREAK_LYING_DISK && world->options->breaks != VIV_SIM_BREAK_LYING_DIRECTORY) {
        viv_sim_disk_set_fault(at->storage.disk, VIV_SIM_DISK_SOUND, 0);
    }
    viv_sim_server_set_rate(world, server, RATE_USUAL);
    viv_sim_server_pause(world, server, false);
    if (at->node == NULL) {
        come_back(world, server, START_MS * NS_PER_MS);
    }
}

void viv_sim_heal(struct viv_sim_world *world, uint64_t servers)
{
    for (size_t i = 0; i < world->server_count; i++) {
        if ((servers >> i & 1) == 0) {
            continue;
        }
        heal_server(world, i);
        for (size_t other = 0; other < world->server_count; other++) {
            if (other != i && (servers >> other & 1) != 0) {
                viv_sim_network_heal(world, i, other);
            }
        }
        for (size_t client = 0; client <= VIV_SIM_PROBE; client++) {
            viv_sim_network_heal(world, i, viv_sim_client_host(client));
        }
    }
}

void viv_sim_exclude(struct viv_sim_world *world, size_t server)
{
    world->servers[server].stays_down = true;
    viv_sim_server_stop(world, server, false);
}
