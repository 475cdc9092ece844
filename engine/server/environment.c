#include "server/environment.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "server/view.h"

enum { VALUE_BYTES = 4096, MEBIBYTE = 1 << 20 };

void viv_environment_user(char *name, size_t name_bytes)
{
    struct passwd entry, *found = NULL;
    char strings[VALUE_BYTES];
    if (getpwuid_r(geteuid(), &entry, strings, sizeof strings, &found) == 0 && found != NULL) {
        snprintf(name, name_bytes, "%s", found->pw_name);
    } else {
        snprintf(name, name_bytes, "%ld", (long)geteuid());
    }
}

static void tell_system(viv_environment_fn *visit, void *ctx)
{
    struct utsname system = {0};
    if (uname(&system) == 0) {
        visit(ctx, "os.name", system.sysname);
        visit(ctx, "os.arch", system.machine);
        visit(ctx, "os.version", system.release);
    }
}

static void tell_user(viv_environment_fn *visit, void *ctx)
{
    struct passwd entry, *found = NULL;
    char strings[VALUE_BYTES], folder[VALUE_BYTES];
    if (getpwuid_r(geteuid(), &entry, strings, sizeof strings, &found) == 0 && found != NULL) {
        visit(ctx, "user.name", found->pw_name);
        visit(ctx, "user.home", found->pw_dir);
    }
    if (getcwd(folder, sizeof folder) != NULL) {
        visit(ctx, "user.dir", folder);
    }
}

static void tell_memory(viv_environment_fn *visit, void *ctx, const char *name, uint64_t blocks, uint64_t block_bytes)
{
    char value[32];
    snprintf(value, sizeof value, "%lluMB", (unsigned long long)(blocks * block_bytes / MEBIBYTE));
    visit(ctx, name, value);
}

void viv_environment_visit(viv_environment_fn *visit, void *ctx)
{
    char host[256] = "";
    visit(ctx, "zookeeper.version", viv_view_version());
    if (gethostname(host, sizeof host - 1) == 0) {
        visit(ctx, "host.name", host);
    }
    tell_system(visit, ctx);
    tell_user(visit, ctx);
    struct sysinfo info;
    if (sysinfo(&info) == 0) {
        tell_memory(visit, ctx, "os.memory.free", info.freeram, info.mem_unit);
        tell_memory(visit, ctx, "os.memory.max", info.totalram, info.mem_unit);
        tell_memory(visit, ctx, "os.memory.total", info.totalram, info.mem_unit);
    }
}
