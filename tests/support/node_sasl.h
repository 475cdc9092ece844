#ifndef VIV_TESTS_SUPPORT_NODE_SASL_H
#define VIV_TESTS_SUPPORT_NODE_SASL_H

#include "node/event.h"

/* What a node_net has in place of SASL: the token "no" is wrong, "more" wants another round, any other is the client's
 * name. Fills the outcome of a CLIENT_SASL_DONE, and its identities, from the token that is in event->bytes; they are
 * good until the next call. Does nothing to other events. */
void viv_node_sasl_judge(struct viv_event *event);

#endif /* VIV_TESTS_SUPPORT_NODE_SASL_H */
