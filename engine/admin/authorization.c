#include "admin/authorization.h"

#include <microhttpd.h>
#include <string.h>

#include "server/view.h"

enum { CLIENT_BYTES = 64 };

bool viv_authorization_parse(const char *text, struct viv_bytes *scheme, struct viv_bytes *auth)
{
    size_t size = strnlen(text, VIV_AUTHORIZATION_BYTES_MAX + 1);
    size_t scheme_bytes = strcspn(text, " ");
    if (size > VIV_AUTHORIZATION_BYTES_MAX || scheme_bytes == 0) {
        return false;
    }
    const char *rest = text + scheme_bytes + (text[scheme_bytes] == ' ');
    if (strchr(rest, ' ') != NULL || (text[scheme_bytes] == ' ' && *rest == '\0')) {
        return false;
    }
    *scheme = viv_bytes_of(text, scheme_bytes);
    *auth = viv_bytes_text(rest);
    return true;
}

void viv_authorization_refuse(struct viv_http_answer *answer, unsigned status, const char *command, const char *error)
{
    struct viv_json json = {0};
    answer->status = status;
    answer->type = "application/json";
    viv_json_open(&json, &answer->body, NULL);
    viv_json_text(&json, &answer->body, "command", command);
    viv_json_text(&json, &answer->body, "error", error);
    viv_json_close(&json, &answer->body);
}

bool viv_authorization_check(struct viv_server *server, const struct viv_http_request *request, const char *command,
                             struct viv_http_answer *answer)
{
    const char *text = viv_http_header(request, MHD_HTTP_HEADER_AUTHORIZATION);
    struct viv_bytes scheme, auth;
    char client[CLIENT_BYTES];
    if (text == NULL) {
        viv_authorization_refuse(answer, MHD_HTTP_UNAUTHORIZED, command, "Auth info is missing for the command");
        return false;
    }
    viv_http_client(request, client, sizeof client);
    enum viv_authority authority = VIV_AUTHORITY_UNKNOWN;
    if (viv_authorization_parse(text, &scheme, &auth)) {
        authority = viv_node_authority(viv_server_node(server), viv_bytes_text(client), scheme, auth);
    }
    if (authority == VIV_AUTHORITY_UNKNOWN) {
        viv_authorization_refuse(answer, MHD_HTTP_UNAUTHORIZED, command, "Not authenticated");
    } else if (authority == VIV_AUTHORITY_LESS) {
        viv_authorization_refuse(answer, MHD_HTTP_FORBIDDEN, command, "Not authorized");
    }
    return authority == VIV_AUTHORITY_FULL;
}

bool viv_pace_take(struct viv_pace *pace, uint64_t now_ms, uint64_t interval_ms, const char *command,
                   struct viv_http_answer *answer)
{
    if (pace->was_taken && now_ms < pace->taken_ms + interval_ms) {
        viv_authorization_refuse(answer, MHD_HTTP_TOO_MANY_REQUESTS, command, "Rate limit is reached");
        return false;
    }
    *pace = (struct viv_pace){now_ms, true};
    return true;
}
