#include "experiments/lab/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/assert.h"
#include "experiments/lab/command.h"
#include "experiments/lab/files.h"

enum { SMALL_FILE_BYTES = 1 << 16, BINARY_BYTES_MAX = 1 << 30 };

void viv_machine_cpu(struct viv_machine_cpu *cpu)
{
    unsigned long long ticks[8] = {0};
    struct viv_buffer text = {0};
    *cpu = (struct viv_machine_cpu){0};
    if (viv_file_read("/proc/stat", SMALL_FILE_BYTES, &text)) {
        viv_buffer_append(&text, "", 1);
        sscanf((const char *)text.data, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &ticks[0], &ticks[1], &ticks[2],
               &ticks[3], &ticks[4], &ticks[5], &ticks[6], &ticks[7]);
    }
    viv_buffer_fini(&text);
    for (size_t i = 0; i < sizeof ticks / sizeof *ticks; i++) {
        cpu->total_ticks += ticks[i];
    }
    cpu->idle_ticks = ticks[3] + ticks[4];
    cpu->steal_ticks = ticks[7];
}

uint64_t viv_machine_steal_tenths(const struct viv_machine_cpu *before, const struct viv_machine_cpu *after)
{
    enum { TICKS_MIN = 500 }; /* fewer say nothing: one stolen tick would be percents */
    uint64_t total = after->total_ticks - before->total_ticks;
    return total < TICKS_MIN ? 0 : (after->steal_ticks - before->steal_ticks) * 1000 / total;
}

/* First line of a small file, trimmed; NULL when it is not there. To be freed. */
static char *small_file(const char *path)
{
    struct viv_buffer text = {0};
    char *line = NULL;
    if (viv_file_read(path, SMALL_FILE_BYTES, &text) && text.size > 0) {
        viv_buffer_append(&text, "", 1);
        line = viv_text("%.*s", (int)strcspn((const char *)text.data, "\n"), (const char *)text.data);
    }
    viv_buffer_fini(&text);
    return line;
}

static void set_text(json_t *json, const char *key, char *text)
{
    if (text != NULL) {
        json_object_set_new(json, key, json_string(text));
    }
    free(text);
}

/* Value of "key : value" or KEY="value" in a file of such lines. */
static char *line_value(const char *path, const char *key, const char *separator)
{
    struct viv_buffer text = {0};
    char *value = NULL;
    if (viv_file_read(path, SMALL_FILE_BYTES, &text)) {
        viv_buffer_append(&text, "", 1);
        const char *found = strstr((const char *)text.data, key);
        found = found != NULL ? strstr(found, separator) : NULL;
        if (found != NULL) {
            found += strlen(separator);
            found += strspn(found, " \t\"");
            value = viv_text("%.*s", (int)strcspn(found, "\"\n"), found);
        }
    }
    viv_buffer_fini(&text);
    return value;
}

static json_t *kernel_json(void)
{
    static const struct {
        const char *key, *path;
    } settings[] = {
        {"transparent_hugepages", "/sys/kernel/mm/transparent_hugepage/enabled"},
        {"swappiness", "/proc/sys/vm/swappiness"},
        {"dirty_ratio", "/proc/sys/vm/dirty_ratio"},
        {"dirty_background_ratio", "/proc/sys/vm/dirty_background_ratio"},
        {"clock_source", "/sys/devices/system/clocksource/clocksource0/current_clocksource"},
        {"governor", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"},
        {"cgroup_cpu_max", "/sys/fs/cgroup/cpu.max"},
        {"cgroup_memory_max", "/sys/fs/cgroup/memory.max"},
    };
    struct utsname name;
    json_t *json = json_object();
    if (uname(&name) == 0) {
        json_object_set_new(json, "release", json_string(name.release));
        json_object_set_new(json, "architecture", json_string(name.machine));
    }
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        set_text(json, settings[i].key, small_file(settings[i].path));
    }
    set_text(json, "distribution", line_value("/etc/os-release", "PRETTY_NAME", "="));
    return json;
}

static json_t *hardware_json(void)
{
    struct rlimit files;
    char *flags = line_value("/proc/cpuinfo", "flags", ":");
    json_t *json = json_pack("{s:i,s:f,s:b}", "cpus_online", (int)sysconf(_SC_NPROCESSORS_ONLN), "memory_gb",
                             (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / 1e9, "virtual",
                             flags != NULL && strstr(flags, "hypervisor") != NULL);
    set_text(json, "cpu_model", line_value("/proc/cpuinfo", "model name", ":"));
    set_text(json, "cpu_flags", flags);
    set_text(json, "cpus_allowed", line_value("/proc/self/status", "Cpus_allowed_list", ":"));
    set_text(json, "smt_active", small_file("/sys/devices/system/cpu/smt/active"));
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        json_object_set_new(json, "open_files_max", json_integer((json_int_t)files.rlim_cur));
    }
    return json;
}

/* The line of /proc/self/mountinfo for a device: "id parent major:minor root mountpoint options - type source". */
static void add_mount(json_t *json, dev_t device)
{
    struct viv_buffer text = {0};
    char wanted[32];
    snprintf(wanted, sizeof wanted, " %u:%u ", major(device), minor(device));
    if (viv_file_read("/proc/self/mountinfo", 1 << 20, &text)) {
        viv_buffer_append(&text, "", 1);
        const char *found = strstr((const char *)text.data, wanted);
        const char *dash = found != NULL ? strstr(found, " - ") : NULL;
        char type[32] = "";
        char options[128] = "";
        if (dash != NULL && sscanf(dash, " - %31s", type) == 1) {
            json_object_set_new(json, "filesystem", json_string(type));
        }
        if (found != NULL && sscanf(found, " %*s %*s %*s %127s", options) == 1) {
            json_object_set_new(json, "mount_options", json_string(options));
        }
    }
    viv_buffer_fini(&text);
}

static json_t *disk_json(const char *dir)
{
    struct stat info;
    struct statvfs space;
    json_t *json = json_object();
    if (stat(dir, &info) == 0) {
        add_mount(json, info.st_dev);
        /* A partition has its queue in the disk's folder, one up. */
        for (int up = 0; up < 2; up++) {
            static const char *const keys[] = {"scheduler", "write_cache", "rotational"};
            for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
                char *path = viv_text("/sys/dev/block/%u:%u/%squeue/%s", major(info.st_dev), minor(info.st_dev),
                                      up == 1 ? "../" : "", keys[i]);
                set_text(json, keys[i], small_file(path));
                free(path);
            }
        }
    }
    if (statvfs(dir, &space) == 0) {
        json_object_set_new(json, "free_gb", json_real((double)space.f_bavail * (double)space.f_frsize / 1e9));
    }
    return json;
}

static json_t *digest_json(const char *path)
{
    struct viv_buffer content = {0};
    json_t *json = json_null();
    if (viv_file_read(path, BINARY_BYTES_MAX, &content)) {
        char text[32];
        snprintf(text, sizeof text, "xxh64:%016llx", (unsigned long long)XXH64(content.data, content.size, 0));
        json = json_string(text);
    }
    viv_buffer_fini(&content);
    return json;
}

/* "package version" of every library the programs were linked with, where Debian's package manager can say. */
static json_t *packages_json(void)
{
    static const char *const query[] = {"dpkg-query",
                                        "-W",
                                        "-f",
                                        "${Package} ${Version}\n",
                                        "liblmdb0",
                                        "librocksdb*",
                                        "libuv1",
                                        "libzstd1",
                                        "libxxhash0",
                                        "libcyaml1",
                                        "libyaml-0-2",
                                        "libjansson4",
                                        "zlib1g",
                                        "libc6",
                                        "libnghttp2-14",
                                        NULL};
    struct viv_buffer text = {0};
    json_t *list = json_array();
    viv_command(query, false, &text);
    viv_buffer_append(&text, "", 1);
    char *rest = (char *)text.data;
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        /* A name that is known but not installed has no version. */
        if (strchr(line, ' ') != NULL && line[strlen(line) - 1] != ' ') {
            json_array_append_new(list, json_string(line));
        }
    }
    viv_buffer_fini(&text);
    return list;
}

static json_t *build_json(const char *source_dir, const struct viv_system_places *places)
{
    char *commit = viv_command_line((const char *const[]){"git", "-C", source_dir, "rev-parse", "HEAD", NULL}, false);
    char *changes =
        viv_command_line((const char *const[]){"git", "-C", source_dir, "status", "--porcelain", NULL}, false);
    json_t *json = json_pack(
        "{s:s?,s:o,s:s,s:b,s:o,s:o}", "commit", commit, "dirty",
        commit == NULL ? json_null() : json_boolean(changes != NULL), "compiler", "gcc " __VERSION__, "sanitizers",
#ifdef __SANITIZE_ADDRESS__
        1,
#else
        0,
#endif
        "lab_digest", digest_json("/proc/self/exe"), "server_digest", digest_json(places->vivarium_program));
    json_object_set_new(json, "packages", packages_json());
    free(commit);
    free(changes);
    return json;
}

char *viv_machine_revision(const char *source_dir)
{
    char *line =
        viv_command_line((const char *const[]){"git", "-C", source_dir, "rev-parse", "--short=8", "HEAD", NULL}, false);
    return line != NULL ? line : viv_text("nogit");
}

json_t *viv_machine_provenance(const char *dir, const char *source_dir, const struct viv_system_places *places)
{
    char started[32];
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(started, sizeof started, "%Y-%m-%dT%H:%M:%SZ", &utc);
    json_t *systems = json_object();
    set_text(systems, "vivarium", viv_system_version(VIV_SYSTEM_VIVARIUM, places));
    set_text(systems, "etcd", viv_system_version(VIV_SYSTEM_ETCD, places));
    set_text(systems, "zookeeper", viv_system_version(VIV_SYSTEM_ZOOKEEPER, places));
    return json_pack("{s:s,s:o,s:o,s:o,s:o,s:o}", "started_utc", started, "systems", systems, "build",
                     build_json(source_dir, places), "kernel", kernel_json(), "hardware", hardware_json(), "disk",
                     disk_json(dir));
}
