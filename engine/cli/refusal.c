#include <stdio.h>

#include "cli/interrupt.h"
#include "cli/link.h"

/* What a server refused, in words. */

struct refusal {
    int32_t code;
    const char *name;
    const char *text;
};

static const struct refusal refusals[] = {
#define VIV_CLI_REFUSAL(code, name, text) {code, #name, text},
#include "cli/refusals.def"
#undef VIV_CLI_REFUSAL
};

static const struct refusal *refusal_of(int32_t err)
{
    static const struct refusal unknown = {0, "Unknown", "The server refused with a code unknown here"};
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        if (refusals[i].code == err) {
            return &refusals[i];
        }
    }
    return &unknown;
}

const char *viv_cli_err_name(int32_t err)
{
    return err == VIV_REPLY_OK ? "Ok" : refusal_of(err)->name;
}

int viv_cli_refused(const struct viv_cli *cli, int32_t err, const char *path)
{
    const struct refusal *refusal = refusal_of(err);
    if (cli->settings.json) {
        json_t *told = json_pack("{s:s, s:i, s:s}", "error", refusal->name, "code", (int)err, "message", refusal->text);
        if (path != NULL) {
            json_object_set_new(told, "path", json_string(path));
        }
        json_dumpf(told, stderr, JSON_COMPACT);
        fputc('\n', stderr);
        json_decref(told);
    } else {
        fprintf(stderr, "%s%s%s\n", refusal->text, path != NULL ? ": " : "", path != NULL ? path : "");
    }
    if (viv_cli_interrupted()) {
        return VIV_CLI_INTERRUPTED;
    }
    return err == VIV_CLIENT_LOST ? VIV_CLI_UNREACHABLE : VIV_CLI_REFUSED;
}
