#include "tests/support/node_sasl.h"

#include "wire/jute.h"

void viv_node_sasl_judge(struct viv_event *event)
{
    static struct viv_buffer identities;
    if (event->kind != VIV_EVENT_CLIENT_SASL_DONE) {
        return;
    }
    viv_buffer_clear(&identities);
    if (viv_bytes_equal(event->bytes, VIV_BYTES_LITERAL("no"))) {
        event->sasl = VIV_SASL_FAILED;
    } else if (viv_bytes_equal(event->bytes, VIV_BYTES_LITERAL("more"))) {
        event->sasl = VIV_SASL_CONTINUE;
    } else {
        event->sasl = VIV_SASL_COMPLETE;
        viv_jute_write_int(&identities, 1);
        viv_jute_write_text(&identities, "sasl");
        viv_jute_write_bytes(&identities, event->bytes);
        event->identities = viv_buffer_bytes(&identities);
    }
}
