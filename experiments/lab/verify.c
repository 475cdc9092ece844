#include "experiments/lab/verify.h"

#include <stdio.h>

#include "base/assert.h"
#include "experiments/lab/bulk.h"

struct verifying {
    struct viv_keyset *keyset;
    struct viv_verify_result *result;
};

static void on_value(void *ctx, struct viv_client *client, const struct viv_client_reply *reply)
{
    struct verifying *verifying = ctx;
    (void)client;
    if (reply->op != VIV_OP_GET_DATA || reply->err == VIV_CLIENT_LOST) {
        return;
    }
    VIV_ASSERT(reply->token < verifying->keyset->key_count);
    const struct viv_key *key = &verifying->keyset->keys[reply->token];
    struct viv_jute_reader reader = viv_jute_reader_of(reply->body);
    uint32_t number = 0;
    verifying->result->checked++;
    if (reply->err != VIV_REPLY_OK) {
        verifying->result->lost_acked++;
    } else if (!viv_keyset_number(viv_jute_read_buffer(&reader).bytes, &number) || number > key->sent) {
        verifying->result->violations++;
    } else {
        verifying->result->lost_acked += number < key->acked;
    }
}

static viv_status read_all(struct viv_bulk *bulk, struct viv_keyset *keyset)
{
    char path[VIV_KEYSET_PATH_BYTES_MAX];
    VIV_TRY(viv_bulk_room(bulk));
    viv_client_sync(viv_bulk_client(bulk), 0, VIV_BYTES_LITERAL(VIV_KEYSET_ROOT));
    for (uint32_t key = 0; key < keyset->key_count; key++) {
        VIV_TRY(viv_bulk_room(bulk));
        viv_client_get_data(viv_bulk_client(bulk), key, viv_keyset_path(key, path));
    }
    return viv_bulk_drain(bulk);
}

viv_status viv_verify_keys(const struct viv_client_address *servers, size_t server_count,
                           struct viv_interrupt *interrupt, struct viv_keyset *keyset, uint64_t until_ns,
                           struct viv_verify_result *result)
{
    struct verifying verifying = {keyset, result};
    viv_status status = VIV_OK;
    for (size_t i = 0; i < server_count && status == VIV_OK; i++) {
        struct viv_bulk *bulk;
        status = viv_bulk_open(&servers[i], interrupt, until_ns, on_value, &verifying, &bulk);
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

static void on_deleted(void *ctx, struct viv_client *client, const struct viv_client_reply *reply)
{
    struct verifying *verifying = ctx;
    (void)client;
    VIV_ASSERT(reply->token < verifying->keyset->created_count);
    verifying->result->checked++;
    if (reply->err == VIV_REPLY_NO_NODE && verifying->keyset->created[reply->token] == VIV_CREATED_ACKED) {
        verifying->result->lost_acked++;
    }
}

viv_status viv_verify_created(const struct viv_client_address *server, struct viv_interrupt *interrupt,
                              struct viv_keyset *keyset, uint64_t until_ns, struct viv_verify_result *result)
{
    struct verifying verifying = {keyset, result};
    struct viv_bulk *bulk;
    char path[VIV_KEYSET_PATH_BYTES_MAX];
    viv_status status = viv_bulk_open(server, interrupt, until_ns, on_deleted, &verifying, &bulk);
    if (status == VIV_OK) {
        for (uint32_t i = 0; i < keyset->created_count && status == VIV_OK; i++) {
            status = viv_bulk_room(bulk);
            if (status == VIV_OK) {
                viv_client_delete(viv_bulk_client(bulk), i, viv_keyset_created_path(i, path), -1);
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
