#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "client/client_internal.h"

static void tell(struct viv_client *client, size_t index)
{
    request_unordered(client, VIV_OP_AUTH, VIV_XID_AUTH, client->auths.records[index]);
    client->auths.told++;
}

static void answer(struct viv_client *client, size_t index, int32_t err, uint64_t now_ns)
{
    uint64_t token = client->auths.tokens[index];
    struct viv_client_reply reply = {.token = token, .op = VIV_OP_AUTH, .err = err, .zxid = -1, .now_ns = now_ns};
    client->auths.tokens[index] = 0;
    if (token != 0 && client->on_reply != NULL) {
        client->on_reply(client->ctx, client, &reply);
    }
}

static void take_out(struct auths *auths, size_t index)
{
    free((void *)auths->records[index].data);
    auths->count--;
    auths->told--;
    memmove(auths->records + index, auths->records + index + 1, (auths->count - index) * sizeof *auths->records);
    memmove(auths->tokens + index, auths->tokens + index + 1, (auths->count - index) * sizeof *auths->tokens);
}

void viv_client_add_auth(struct viv_client *client, uint64_t token, struct viv_bytes scheme, struct viv_bytes data)
{
    struct auths *auths = &client->auths;
    struct viv_buffer record = {0};
    viv_jute_write_int(&record, 0);
    viv_jute_write_bytes(&record, scheme);
    viv_jute_write_bytes(&record, data);
    auths->records = viv_realloc(auths->records, (auths->count + 1) * sizeof *auths->records);
    auths->tokens = viv_realloc(auths->tokens, (auths->count + 1) * sizeof *auths->tokens);
    auths->records[auths->count] = viv_buffer_bytes(&record);
    auths->tokens[auths->count] = client->state == VIV_CLIENT_READY ? token : 0;
    auths->count++;
    if (client->state == VIV_CLIENT_READY) {
        tell(client, auths->count - 1);
    }
}

void auths_tell(struct viv_client *client)
{
    client->auths.told = 0;
    client->auths.answered = 0;
    for (size_t i = 0; i < client->auths.count; i++) {
        tell(client, i);
    }
}

void auths_answered(struct viv_client *client, int32_t err, uint64_t now_ns)
{
    struct auths *auths = &client->auths;
    if (auths->answered == auths->told) {
        return; /* nothing was asked: not worth a connection */
    }
    size_t index = auths->answered;
    answer(client, index, err, now_ns);
    if (err == VIV_REPLY_OK) {
        auths->answered++;
    } else {
        take_out(auths, index);
    }
}

void auths_lost(struct viv_client *client, uint64_t now_ns)
{
    for (size_t i = client->auths.answered; i < client->auths.told; i++) {
        answer(client, i, VIV_CLIENT_LOST, now_ns);
    }
    client->auths.told = client->auths.answered = 0;
}

void auths_fini(struct auths *auths)
{
    for (size_t i = 0; i < auths->count; i++) {
        free((void *)auths->records[i].data);
    }
    free(auths->records);
    free(auths->tokens);
}
