#include "security/tls_channel.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "security/x509_identity.h"

enum { RECORD_BYTES = SSL3_RT_MAX_PLAIN_LENGTH, WRITE_BYTES_MAX = 1 << 30 };

struct viv_tls_channel {
    struct viv_tls_context *context;
    SSL *ssl;
    struct viv_bytes in;    /* of the call under way, not consumed yet */
    struct viv_buffer *out; /* of the call under way */
    bool is_open, is_broken, is_ended;
    const char *why;
};

/* ---- memory ---- */

static int on_read(BIO *bio, char *to, size_t capacity, size_t *got)
{
    struct viv_tls_channel *channel = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *got = channel->in.size < capacity ? channel->in.size : capacity;
    if (*got == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(to, channel->in.data, *got);
    channel->in = viv_bytes_of(channel->in.data + *got, channel->in.size - *got);
    return 1;
}

static int on_write(BIO *bio, const char *from, size_t size, size_t *written)
{
    struct viv_tls_channel *channel = BIO_get_data(bio);
    VIV_ASSERT(channel->out != NULL);
    viv_buffer_append(channel->out, from, size);
    *written = size;
    return 1;
}

static long on_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

BIO_METHOD *viv_tls_channel_memory(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "memory of a call");
    VIV_ASSERT(method != NULL);
    BIO_meth_set_read_ex(method, on_read);
    BIO_meth_set_write_ex(method, on_write);
    BIO_meth_set_ctrl(method, on_control);
    return method;
}

/* ---- beginnings and ends ---- */

static struct viv_tls_channel *new_channel(struct viv_tls_context *context)
{
    struct viv_tls_channel *channel = viv_alloc_zeroed(1, sizeof *channel);
    channel->context = viv_tls_context_share(context);
    channel->ssl = SSL_new(context->ssl);
    BIO *memory = BIO_new(context->memory);
    VIV_ASSERT(channel->ssl != NULL && memory != NULL);
    BIO_set_data(memory, channel);
    BIO_set_init(memory, 1);
    SSL_set_bio(channel->ssl, memory, memory);
    return channel;
}

struct viv_tls_channel *viv_tls_channel_accept(struct viv_tls_context *context)
{
    static const int modes[] = {
        [VIV_TLS_CLIENT_NEED] = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
        [VIV_TLS_CLIENT_WANT] = SSL_VERIFY_PEER,
        [VIV_TLS_CLIENT_NONE] = SSL_VERIFY_NONE,
    };
    struct viv_tls_channel *channel = new_channel(context);
    SSL_set_accept_state(channel->ssl);
    SSL_set_verify(channel->ssl, modes[context->client_auth], NULL);
    return channel;
}

static bool is_address(const char *host)
{
    ASN1_OCTET_STRING *address = a2i_IPADDRESS(host);
    ERR_clear_error();
    ASN1_OCTET_STRING_free(address);
    return address != NULL;
}

struct viv_tls_channel *viv_tls_channel_connect(struct viv_tls_context *context, const char *host)
{
    struct viv_tls_channel *channel = new_channel(context);
    SSL_set_connect_state(channel->ssl);
    SSL_set_verify(channel->ssl, SSL_VERIFY_PEER, NULL);
    bool by_address = is_address(host);
    if (!by_address) {
        VIV_ASSERT(SSL_set_tlsext_host_name(channel->ssl, host) == 1);
    }
    if (!context->trust_any_host && by_address) {
        VIV_ASSERT(X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(channel->ssl), host) == 1);
    } else if (!context->trust_any_host) {
        VIV_ASSERT(SSL_set1_host(channel->ssl, host) == 1);
    }
    return channel;
}

void viv_tls_channel_free(struct viv_tls_channel *channel)
{
    if (channel != NULL) {
        SSL_free(channel->ssl);
        viv_tls_context_drop(channel->context);
        free(channel);
    }
}

/* ---- bytes ---- */

static viv_status fail(struct viv_tls_channel *channel)
{
    channel->is_broken = true;
    long verified = SSL_get_verify_result(channel->ssl);
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    channel->why = verified != X509_V_OK ? X509_verify_cert_error_string(verified) : reason;
    channel->why = channel->why != NULL ? channel->why : "not TLS";
    ERR_clear_error();
    return VIV_ERR_MALFORMED;
}

static viv_status shake_hands(struct viv_tls_channel *channel)
{
    int done = SSL_do_handshake(channel->ssl);
    if (done == 1) {
        channel->is_open = true;
        return VIV_OK;
    }
    return SSL_get_error(channel->ssl, done) == SSL_ERROR_WANT_READ ? VIV_OK : fail(channel);
}

static viv_status read_all(struct viv_tls_channel *channel, struct viv_buffer *plain)
{
    for (;;) {
        size_t got = 0;
        int done = SSL_read_ex(channel->ssl, viv_buffer_reserve(plain, RECORD_BYTES), RECORD_BYTES, &got);
        plain->size += got;
        if (done == 1) {
            continue;
        }
        switch (SSL_get_error(channel->ssl, done)) {
        case SSL_ERROR_WANT_READ:
            return VIV_OK;
        case SSL_ERROR_ZERO_RETURN:
            return VIV_ERR_INTERRUPTED;
        default:
            return fail(channel);
        }
    }
}

viv_status viv_tls_channel_take(struct viv_tls_channel *channel, struct viv_bytes in, struct viv_buffer *plain,
                                struct viv_buffer *out)
{
    if (channel->is_broken) {
        return VIV_ERR_MALFORMED;
    }
    ERR_clear_error();
    channel->in = in;
    channel->out = out;
    viv_status status = channel->is_open ? VIV_OK : shake_hands(channel);
    if (status == VIV_OK && channel->is_open) {
        status = read_all(channel, plain);
    }
    VIV_ASSERT(status != VIV_OK || channel->in.size == 0);
    channel->in = (struct viv_bytes){0};
    channel->out = NULL;
    return status;
}

bool viv_tls_channel_is_open(const struct viv_tls_channel *channel)
{
    return channel->is_open && !channel->is_broken;
}

void viv_tls_channel_put(struct viv_tls_channel *channel, struct viv_bytes plain, struct viv_buffer *out)
{
    VIV_ASSERT(channel->is_open);
    channel->out = out;
    while (plain.size > 0 && !channel->is_broken && !channel->is_ended) {
        size_t part = plain.size < WRITE_BYTES_MAX ? plain.size : WRITE_BYTES_MAX, written = 0;
        ERR_clear_error();
        if (SSL_write_ex(channel->ssl, plain.data, part, &written) != 1) {
            (void)fail(channel); /* told when the next bytes are taken */
            break;
        }
        plain = viv_bytes_of(plain.data + written, plain.size - written);
    }
    channel->out = NULL;
}

void viv_tls_channel_end(struct viv_tls_channel *channel, struct viv_buffer *out)
{
    if (channel->is_open && !channel->is_broken && !channel->is_ended) {
        channel->is_ended = true;
        channel->out = out;
        (void)SSL_shutdown(channel->ssl);
        ERR_clear_error();
        channel->out = NULL;
    }
}

const char *viv_tls_channel_why(const struct viv_tls_channel *channel)
{
    return channel->why != NULL ? channel->why : "";
}

/* ---- who the other side is ---- */

void viv_tls_channel_identities(const struct viv_tls_channel *channel, const char *super_user, struct viv_buffer *out)
{
    X509 *certificate = SSL_get0_peer_certificate(channel->ssl);
    if (certificate != NULL && SSL_get_verify_result(channel->ssl) == X509_V_OK) {
        viv_x509_identities(certificate, super_user, out);
    }
}

bool viv_tls_channel_is_host(const struct viv_tls_channel *channel, const char *host)
{
    X509 *certificate = SSL_get0_peer_certificate(channel->ssl);
    if (certificate == NULL) {
        return false;
    }
    int same = is_address(host) ? X509_check_ip_asc(certificate, host, 0)
                                : X509_check_host(certificate, host, strlen(host), 0, NULL);
    ERR_clear_error();
    return same == 1;
}
