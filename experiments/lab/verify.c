#include "experiments/lab/verify.h"

#include <stdio.h>

#include "base/assert.h"
#include "experiments/lab/bulk.h"

struct verifying {
    struct viv_keyset *keyset;
    struct viv_verify_result *result;
};

static void on_value(void *ctx, struct viv_lab_client *client, const struct viv_client_reply *reply)
{
    struct verifying *verifying = ctx;
    if (reply->op != VIV_OP_GET_DATA || reply->err == VIV_CLIENT_LOST) {
        return;
    }
    VIV_ASSERT(reply->token < verifying->keyset->key_count);
    const struct viv_key *key = &verifying->keyset->keys[reply->token];
    uint32_t number = 0;
    verifying->result->checked++;
    if (reply->err != VIV_REPLY_OK) {
        verifying->result->lost_acked++;
    } else if (!viv_keyset_number(viv_lab_client_value(client, reply->body), &number) || number > key->sent) {
        verifying->result->violations++;
    } else {
        verifying->result->lost_acked += viv_keyset_is_loss(verifying->keyset, (uint32_t)reply->token, number);
    }
}

static viv_status read_all(struct viv_bulk *bulk, struct viv_keyset *keyset)
{
    char path[VIV_KEYSET_PATH_BYTES_MAX];
    VIV_TRY(viv_bulk_room(bulk));
    viv_lab_client_request(viv_bulk_client(bulk), 0, VIV_OP_SYNC, VIV_BYTES_LITERAL(VIV_KEYSET_ROOT),
                           (struct viv_bytes){0});
    for (uint32_t key = 0; key < keyset->key_count; key++) {
        VIV_TRY(viv_bulk_room(bulk));
        viv_lab_client_request(viv_bulk_client(bulk), key, VIV_OP_GET_DATA, viv_keyset_path(key, path),
                               (struct viv_bytes){0});
    }
    return viv_bulk_drain(bulk);
}

viv_status viv_verify_keys(const struct viv_dialect *dialect, const struct viv_client_address *servers,
                           size_t server_count, struct viv_interrupt *interrupt, struct viv_keyset *keyset,
                           uint64_t until_ns, struct viv_verify_result *result)
{
    struct verifying verifying = {keyset, result};
    viv_status status = VIV_OK;
    for (size_t i = 0; i < server_count && status == VIV_OK; i++) {
        struct viv_bulk *bulk;
        status = viv_bulk_open(dialect, &servers[i], interrupt, until_ns, on_value, &verifying, &bulk);
        if (status == VIV_OK) {
            status = read_all(bulk, keyset);
            viv_bulk_close(bulk);
        }
        if (status != VIV_OK) {
            snprintf(result->why, sizeof result->why, "server %zu did not let its values be read back", i + 1);
        }
    }
    return status;
}

static void on_deleted(void *ctx, struct viv_lab_client *client, const struct viv_client_reply *reply)
{
    struct verifying *verifying = ctx;
    (void)client;
    VIV_ASSERT(reply->token < verifying->keyset->created_count);
    verifying->result->checked++;
    if (reply->err == VIV_REPLY_NO_NODE && verifying->keyset->created[reply->token] == VIV_CREATED_ACKED) {
        verifying->result->lost_acked++;
    }
}

viv_status viv_verify_created(const struct viv_dialect *dialect, const struct viv_client_address *server,
                              struct viv_interrupt *interrupt, struct viv_keyset *keyset, uint64_t until_ns,
                              struct viv_verify_result *result)
{
    struct verifying verifying = {keyset, result};
    struct viv_bulk *bulk;
    char path[VIV_KEYSET_PATH_BYTES_MAX];
    viv_status status = viv_bulk_open(dialect, server, interrupt, until_ns, on_deleted, &verifying, &bulk);
    if (status == VIV_OK) {
        for (uint32_t i = 0; i < keyset->created_count && status == VIV_OK; i++) {
            status = viv_bulk_room(bulk);
            if (status == VIV_OK) {
                viv_lab_client_request(viv_bulk_client(bulk), i, VIV_OP_DELETE, viv_keyset_created_path(i, path),
                                       (struct viv_bytes){0});
            }
        }
        status = status == VIV_OK ? viv_bulk_drain(bulk) : status;
        viv_bulk_close(bulk);
    }
    if (status != VIV_OK) {
        snprintf(result->why, sizeof result->why, "the created znodes could not be removed");
        return status;
    }
    viv_keyset_forget_created(keyset);
    return VIV_OK;
}
