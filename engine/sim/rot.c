#include "sim/rot.h"

#include "sim/world.h"

enum { BODY_BYTES_MIN = 16, TRIES = 16 };

static bool is_live(const struct viv_sim_world *world, const struct viv_sim_injury *injury)
{
    return viv_sim_disk_holds(world->servers[injury->server].storage.disk, &injury->place);
}

bool viv_sim_rot_is_on(const struct viv_sim_world *world, uint64_t servers, bool bodies_too)
{
    for (size_t i = 0; i < world->rot.count; i++) {
        const struct viv_sim_injury *injury = &world->rot.injuries[i];
        if ((servers >> injury->server & 1) != 0 && (bodies_too || injury->zxid == 0) && is_live(world, injury)) {
            return true;
        }
    }
    return false;
}

void viv_sim_rot_forget(struct viv_sim_world *world, size_t server)
{
    struct viv_sim_rot *rot = &world->rot;
    size_t kept = 0;
    for (size_t i = 0; i < rot->count; i++) {
        if (rot->injuries[i].server != server) {
            rot->injuries[kept++] = rot->injuries[i];
        }
    }
    rot->count = kept;
}

bool viv_sim_rot_may_forget(const struct viv_sim_world *world, size_t server)
{
    struct viv_sim_voters voters = viv_sim_truth_voters(world);
    uint64_t others = ~(UINT64_C(1) << server);
    return world->server_count > 1 && viv_sim_truth_stand_together(world, server) &&
           viv_sim_truth_decide(world, &voters, others, true) && !viv_sim_rot_is_on(world, others, true);
}

static bool is_unbridled(const struct viv_sim_world *world)
{
    return world->server_count == 1 || world->options->breaks == VIV_SIM_BREAK_FREE_ROT;
}

/* Another voter has the transaction, in its log or below its image; and so have all, when the voters may change. */
static bool is_elsewhere(const struct viv_sim_world *world, size_t server, uint64_t zxid)
{
    uint64_t voters = viv_sim_truth_voters(world).all;
    size_t wanted = VIV_SIM_GET(world, reconfigures) != 0 ? (size_t)__builtin_popcountll(voters) - 1 : 1, found = 0;
    for (size_t other = 0; other < world->server_count; other++) {
        bool is_sound = other != server && (voters >> other & 1) != 0 &&
                        !viv_sim_rot_is_on(world, UINT64_C(1) << other, false) && viv_sim_truth_has(world, other, zxid);
        for (size_t i = 0; i < world->rot.count && is_sound; i++) {
            const struct viv_sim_injury *injury = &world->rot.injuries[i];
            is_sound = injury->server != other || injury->zxid != zxid || !is_live(world, injury);
        }
        found += is_sound;
    }
    return is_unbridled(world) || found >= wanted;
}

static bool rot_body(struct viv_sim_world *world, size_t server, struct viv_rng *rng, struct viv_sim_injury *injury)
{
    const struct viv_sim_truth *truth = &world->truth;
    for (unsigned i = 0; i < TRIES && truth->order_count > 0; i++) {
        uint32_t number = truth->order[viv_rng_below(rng, truth->order_count)].number;
        const struct viv_sim_entry *entry = &truth->pool.entries[number];
        if (entry->body.size >= BODY_BYTES_MIN && is_elsewhere(world, server, entry->zxid) &&
            viv_sim_disk_rot_bytes(world->servers[server].storage.disk, entry->body, rng, &injury->place)) {
            injury->zxid = entry->zxid;
            return true;
        }
    }
    return false;
}

static bool rot_anything(struct viv_sim_world *world, size_t server, struct viv_rng *rng, struct viv_sim_injury *injury)
{
    return (is_unbridled(world) || viv_sim_rot_may_forget(world, server)) &&
           viv_sim_disk_rot_anything(world->servers[server].storage.disk, rng, &injury->place);
}

void viv_sim_rot_inflict(struct viv_sim_world *world, const struct viv_sim_fault *fault, size_t server)
{
    struct viv_sim_rot *rot = &world->rot;
    struct viv_sim_injury injury = {.server = server};
    struct viv_rng rng;
    viv_rng_init(&rng, viv_mix64((uint64_t)fault->amount + 1));
    bool is_done = viv_rng_below(&rng, 2) == 0 ? rot_body(world, server, &rng, &injury)
                                               : rot_anything(world, server, &rng, &injury);
    if (!is_done) {
        return;
    }
    viv_sim_mark(world, injury.zxid != 0 ? "sim a transaction rots" : "sim a disk rots");
    viv_sim_say(world, "server %zu: %zu bytes of %s rot at %llu, of 0x%llx", server + 1, injury.place.size,
                injury.place.name, (unsigned long long)injury.place.offset, (unsigned long long)injury.zxid);
    world->result->injuries++;
    if (injury.zxid == 0 || world->server_count == 1) {
        world->truth.mirrors[server].may_lose = true;
    }
    if (rot->count == rot->capacity) {
        rot->capacity = rot->capacity * 2 + 16;
        rot->injuries = viv_realloc(rot->injuries, rot->capacity * sizeof injury);
    }
    rot->injuries[rot->count++] = injury;
}
