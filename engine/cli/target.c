#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "cli/link.h"
#include "wire/path.h"

/* Reads "host:port,host:port/chroot" and asks the resolver. */

enum { PORT_DEFAULT = 2181, HOST_BYTES_MAX = 255 };

/* `name` is the host as given: a certificate is made for that. */
static void add(struct viv_cli_target *target, const struct sockaddr *address, uint16_t port, const char *name)
{
    struct viv_client_address *added;
    target->addresses = viv_realloc(target->addresses, (target->address_count + 1) * sizeof *target->addresses);
    added = &target->addresses[target->address_count];
    *added = (struct viv_client_address){0};
    memcpy(added->name, name, strlen(name) + 1);
    const void *raw = address->sa_family == AF_INET ? (const void *)&((const struct sockaddr_in *)address)->sin_addr
                                                    : (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr;
    if (inet_ntop(address->sa_family, raw, added->host, sizeof added->host) != NULL) {
        added->port = port;
        target->address_count++;
    }
}

static void resolve(struct viv_cli_target *target, const char *host, uint16_t port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
    struct addrinfo *found;
    int error = getaddrinfo(host, NULL, &hints, &found);
    if (error != 0) {
        viv_cli_error("%s has no address: %s", host, gai_strerror(error));
        return;
    }
    for (struct addrinfo *one = found; one != NULL; one = one->ai_next) {
        add(target, one->ai_addr, port, host);
    }
    freeaddrinfo(found);
}

/* One of the hosts: host, host:port, [v6]:port, v6 without a port. */
static bool read_one(struct viv_cli_target *target, const char *text, size_t size)
{
    char host[HOST_BYTES_MAX + 1];
    uint64_t port = PORT_DEFAULT;
    if (size == 0 || size > HOST_BYTES_MAX) {
        return false;
    }
    memcpy(host, text, size);
    host[size] = '\0';
    char *name = host;
    char *colon = strchr(host, ':');
    if (*host == '[') {
        char *end = strchr(host, ']');
        if (end == NULL || (end[1] != '\0' && end[1] != ':')) {
            return false;
        }
        colon = end[1] == ':' ? end + 1 : NULL;
        *end = '\0';
        name = host + 1;
    } else if (colon != NULL && strchr(colon + 1, ':') != NULL) {
        colon = NULL;
    }
    if (colon != NULL) {
        *colon = '\0';
        if (!viv_cli_parse_uint64(colon + 1, &port) || port == 0 || port > UINT16_MAX) {
            return false;
        }
    }
    resolve(target, name, (uint16_t)port);
    return *name != '\0';
}

int viv_cli_target_read(struct viv_cli_target *target, const char *servers)
{
    *target = (struct viv_cli_target){0};
    const char *slash = strchr(servers, '/');
    const char *end = slash != NULL ? slash : servers + strlen(servers);
    const char *chroot = slash != NULL && slash[1] != '\0' ? slash : "";
    bool well = *chroot == '\0' || viv_path_is_valid(viv_bytes_text(chroot));
    for (const char *at = servers; well && at <= end;) {
        size_t size = strcspn(at, ",/");
        well = read_one(target, at, size);
        at += size + 1;
    }
    if (!well) {
        viv_cli_target_fini(target);
        return viv_cli_usage_error("servers are told as host:port,host:port/chroot, not as %s", servers);
    }
    target->chroot = strdup(chroot);
    if (target->address_count == 0) {
        viv_cli_target_fini(target);
        viv_cli_error("none of the servers %s has an address", servers);
        return VIV_CLI_UNREACHABLE;
    }
    return VIV_CLI_OK;
}

void viv_cli_target_fini(struct viv_cli_target *target)
{
    free(target->addresses);
    free(target->chroot);
    *target = (struct viv_cli_target){0};
}
