#ifndef VIV_CLI_ACL_TEXT_H
#define VIV_CLI_ACL_TEXT_H

#include <jansson.h>

#include "wire/records.h"

/* ACLs as people write them: scheme:id:perms,scheme:id:perms with perms out of cdrwa. The id may hold colons: it ends
 * at the last one. */

/* Appends the raw vector<ACL>. False: `error` says what is wrong. */
bool viv_cli_acl_read(const char *text, struct viv_buffer *raw, struct viv_buffer *error);
/* As zkCli prints them, two lines an entry. The reader stands at the vector. */
void viv_cli_acl_print(struct viv_jute_reader *reader);
/* [{"scheme":"world","id":"anyone","perms":"cdrwa"}] */
json_t *viv_cli_acl_json(struct viv_jute_reader *reader);

#endif /* VIV_CLI_ACL_TEXT_H */
