#include "base/arena.h"
#include "base/assert.h"
#include "zab/zab_internal.h"

struct viv_zab_output *viv_zab_emit(struct viv_zab *zab, enum viv_zab_output_kind kind)
{
    struct viv_zab_outputs *out = zab->out;
    VIV_ASSERT(out != NULL);
    if (out->count == out->capacity) {
        out->capacity = out->capacity == 0 ? 16 : out->capacity * 2;
        out->items = viv_realloc(out->items, out->capacity * sizeof *out->items);
    }
    struct viv_zab_output *output = &out->items[out->count++];
    *output = (struct viv_zab_output){.kind = kind};
    return output;
}

void viv_zab_send(struct viv_zab *zab, uint32_t link, enum viv_packet_type type, uint64_t zxid)
{
    VIV_ASSERT(link != 0);
    struct viv_zab_output *output = viv_zab_emit(zab, VIV_ZAB_SEND);
    output->link = link;
    output->packet = (struct viv_packet){.type = type, .zxid = zxid};
}

void viv_zab_send_data(struct viv_zab *zab, uint32_t link, enum viv_packet_type type, uint64_t zxid,
                       struct viv_bytes data)
{
    VIV_ASSERT(link != 0);
    struct viv_zab_output *output = viv_zab_emit(zab, VIV_ZAB_SEND);
    output->link = link;
    output->packet = (struct viv_packet){.type = type, .zxid = zxid, .has_data = true, .data = data};
}

void viv_zab_pass(struct viv_zab *zab, uint32_t link, const struct viv_packet *packet)
{
    struct viv_zab_output *output = viv_zab_emit(zab, VIV_ZAB_SEND);
    output->link = link;
    output->packet = *packet;
    output->packet.data = viv_zab_keep(zab, packet->data);
    output->packet.authinfo = viv_zab_keep(zab, packet->authinfo);
}

void viv_zab_passed(struct viv_zab *zab, uint32_t link, viv_sid sid, const struct viv_packet *packet)
{
    struct viv_zab_output *output = viv_zab_emit(zab, VIV_ZAB_PASSED);
    output->link = link;
    output->sid = sid;
    output->packet = *packet;
}

void viv_zab_close(struct viv_zab *zab, uint32_t link)
{
    VIV_ASSERT(link != 0);
    viv_zab_emit(zab, VIV_ZAB_LINK_CLOSE)->link = link;
}

void viv_zab_trace(struct viv_zab *zab, enum viv_trace_code code, uint64_t a, uint64_t b)
{
    struct viv_zab_output *output = viv_zab_emit(zab, VIV_ZAB_TRACE);
    output->trace = code;
    output->a = a;
    output->b = b;
}

void viv_zab_fatal(struct viv_zab *zab, const char *text)
{
    viv_zab_emit(zab, VIV_ZAB_FATAL)->text = text;
}

void viv_zab_refuse(struct viv_zab *zab, const char *text)
{
    struct viv_zab_output *output = viv_zab_emit(zab, VIV_ZAB_FATAL);
    output->text = text;
    output->flag = true;
}

struct viv_bytes viv_zab_keep(struct viv_zab *zab, struct viv_bytes bytes)
{
    VIV_ASSERT(zab->out->arena != NULL);
    return viv_arena_copy(zab->out->arena, bytes);
}
