#include "security/jaas.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- users ---- */

static bool fits(struct viv_bytes text, size_t bytes_max)
{
    return text.size > 0 && text.size <= bytes_max && memchr(text.data, 0, text.size) == NULL;
}

const struct viv_jaas_user *viv_jaas_find(const struct viv_jaas *jaas, struct viv_bytes name)
{
    for (size_t i = 0; i < jaas->count; i++) {
        if (viv_bytes_equal(viv_bytes_text(jaas->users[i].name), name)) {
            return &jaas->users[i];
        }
    }
    return NULL;
}

/* A list that moves must leave no passwords behind. */
static void make_room(struct viv_jaas *jaas)
{
    size_t capacity = jaas->capacity == 0 ? 16 : jaas->capacity * 2;
    struct viv_jaas_user *users = viv_alloc_zeroed(capacity, sizeof *users);
    if (jaas->count > 0) {
        memcpy(users, jaas->users, jaas->count * sizeof *users);
        OPENSSL_cleanse(jaas->users, jaas->count * sizeof *users);
    }
    free(jaas->users);
    jaas->users = users;
    jaas->capacity = capacity;
}

bool viv_jaas_put(struct viv_jaas *jaas, struct viv_bytes name, struct viv_bytes password)
{
    if (!fits(name, VIV_JAAS_NAME_BYTES_MAX) || !fits(password, VIV_JAAS_PASSWORD_BYTES_MAX)) {
        return false;
    }
    struct viv_jaas_user *user = (struct viv_jaas_user *)viv_jaas_find(jaas, name);
    if (user == NULL) {
        if (jaas->count == jaas->capacity) {
            make_room(jaas);
        }
        user = &jaas->users[jaas->count++];
    }
    OPENSSL_cleanse(user, sizeof *user);
    memcpy(user->name, name.data, name.size);
    memcpy(user->password, password.data, password.size);
    return true;
}

void viv_jaas_fini(struct viv_jaas *jaas)
{
    if (jaas->count > 0) {
        OPENSSL_cleanse(jaas->users, jaas->count * sizeof *jaas->users);
    }
    free(jaas->users);
    *jaas = (struct viv_jaas){0};
}

/* ---- tokens ---- */

enum token { TOKEN_END, TOKEN_WORD, TOKEN_QUOTED, TOKEN_SIGN, TOKEN_BAD };

struct parse {
    struct viv_jaas *jaas;
    struct viv_bytes rest;
    unsigned line;
    const char *why;
    enum token token;
    unsigned char sign;
    struct viv_buffer text; /* of the token, without quotes and escapes */
    bool names_kerberos;    /* in the section that is wanted */
};

static bool fail(struct parse *parse, const char *why)
{
    if (parse->why == NULL) {
        parse->why = why;
    }
    parse->token = TOKEN_BAD;
    return false;
}

static int peek(const struct parse *parse, size_t ahead)
{
    return ahead < parse->rest.size ? parse->rest.data[ahead] : -1;
}

static void skip(struct parse *parse)
{
    parse->line += parse->rest.data[0] == '\n';
    parse->rest.data++;
    parse->rest.size--;
}

static bool skip_comment(struct parse *parse)
{
    bool is_long = peek(parse, 1) == '*';
    skip(parse);
    skip(parse);
    while (parse->rest.size > 0) {
        if (!is_long && peek(parse, 0) == '\n') {
            return true;
        }
        if (is_long && peek(parse, 0) == '*' && peek(parse, 1) == '/') {
            skip(parse);
            skip(parse);
            return true;
        }
        skip(parse);
    }
    return !is_long || fail(parse, "a comment has no end");
}

static bool skip_space(struct parse *parse)
{
    while (parse->rest.size > 0) {
        int c = peek(parse, 0);
        if (c == '/' && (peek(parse, 1) == '/' || peek(parse, 1) == '*')) {
            if (!skip_comment(parse)) {
                return false;
            }
        } else if (c > ' ') {
            return true;
        } else {
            skip(parse);
        }
    }
    return true;
}

static bool is_word_char(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80 ||
           (c > 0 && strchr("._-$*", c) != NULL);
}

static int octal(struct parse *parse)
{
    int value = 0;
    for (int i = 0; i < 3 && peek(parse, 0) >= '0' && peek(parse, 0) <= '7' && value < 32; i++) {
        value = value * 8 + peek(parse, 0) - '0';
        skip(parse);
    }
    return value;
}

static int escaped(struct parse *parse)
{
    static const char letters[] = "abfnrtv", meanings[] = "\a\b\f\n\r\t\v";
    int c = peek(parse, 0);
    if (c >= '0' && c <= '7') {
        return octal(parse);
    }
    const char *letter = c > 0 ? strchr(letters, c) : NULL;
    if (c >= 0) {
        skip(parse);
    }
    return letter != NULL ? meanings[letter - letters] : c;
}

static void take_quoted(struct parse *parse)
{
    parse->token = TOKEN_QUOTED;
    skip(parse);
    while (peek(parse, 0) != '"') {
        int c = peek(parse, 0);
        if (c < 0 || c == '\n' || c == '\r') {
            fail(parse, "a quoted value has no end in its line");
            return;
        }
        skip(parse);
        c = c == '\\' ? escaped(parse) : c;
        uint8_t byte = (uint8_t)c;
        viv_buffer_append(&parse->text, &byte, 1);
    }
    skip(parse);
}

static void next(struct parse *parse)
{
    viv_buffer_clear(&parse->text);
    if (!skip_space(parse)) {
        return;
    }
    int c = peek(parse, 0);
    if (c < 0) {
        parse->token = TOKEN_END;
    } else if (c == '"') {
        take_quoted(parse);
    } else if (is_word_char(c)) {
        parse->token = TOKEN_WORD;
        while (is_word_char(peek(parse, 0))) {
            viv_buffer_append(&parse->text, parse->rest.data, 1);
            skip(parse);
        }
    } else {
        parse->token = TOKEN_SIGN;
        parse->sign = (unsigned char)c;
        skip(parse);
    }
}

static bool is_sign(const struct parse *parse, char sign)
{
    return parse->token == TOKEN_SIGN && parse->sign == (unsigned char)sign;
}

static bool expect_sign(struct parse *parse, char sign, const char *why)
{
    if (!is_sign(parse, sign)) {
        return fail(parse, why);
    }
    next(parse);
    return parse->token != TOKEN_BAD;
}

static bool text_is(const struct parse *parse, const char *text)
{
    return viv_bytes_equal(viv_buffer_bytes(&parse->text), viv_bytes_text(text));
}

/* ---- grammar ---- */

static bool has_property(struct viv_bytes value)
{
    for (size_t i = 0; i + 1 < value.size; i++) {
        if (value.data[i] == '$' && value.data[i + 1] == '{') {
            return true;
        }
    }
    return false;
}

/* NAME = VALUE. Only users are kept. */
static bool parse_option(struct parse *parse, bool is_wanted)
{
    static const char prefix[] = "user_";
    struct viv_buffer name = parse->text;
    parse->text = (struct viv_buffer){0};
    next(parse);
    bool ok = expect_sign(parse, '=', "an option is NAME=\"value\"; or a ; is missing before this line");
    if (ok && parse->token != TOKEN_QUOTED && parse->token != TOKEN_WORD) {
        ok = fail(parse, "an option has no value");
    }
    bool is_user = name.size >= strlen(prefix) && memcmp(name.data, prefix, strlen(prefix)) == 0;
    if (ok && is_wanted && is_user) {
        struct viv_bytes value = viv_buffer_bytes(&parse->text);
        struct viv_bytes user = viv_bytes_of(name.data + strlen(prefix), name.size - strlen(prefix));
        if (has_property(value)) {
            ok = fail(parse, "a password holds ${...}, which only Java replaces; write the password itself");
        } else if (!viv_jaas_put(parse->jaas, user, value)) {
            ok = fail(parse, "a user's name or password is empty, or longer than 255 bytes");
        }
    }
    viv_buffer_fini(&name);
    if (ok) {
        OPENSSL_cleanse(parse->text.data, parse->text.size);
        next(parse);
    }
    return ok && parse->token != TOKEN_BAD;
}

static bool is_flag(const struct parse *parse)
{
    static const char *const flags[] = {"required", "requisite", "sufficient", "optional"};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        if (parse->text.size == strlen(flags[i]) &&
            strncasecmp((const char *)parse->text.data, flags[i], parse->text.size) == 0) {
            return true;
        }
    }
    return false;
}

/* MODULE FLAG OPTION...; */
static bool parse_module(struct parse *parse, bool is_wanted)
{
    static const char kerberos[] = "Krb5LoginModule";
    if (parse->token != TOKEN_WORD && parse->token != TOKEN_QUOTED) {
        return fail(parse, "the name of a login module is expected, or } at the end of the section");
    }
    parse->names_kerberos |= is_wanted && parse->text.size > 0 &&
                             memmem(parse->text.data, parse->text.size, kerberos, sizeof kerberos - 1) != NULL;
    next(parse);
    if (parse->token != TOKEN_WORD || !is_flag(parse)) {
        return fail(parse, "behind the login module required, requisite, sufficient or optional is expected");
    }
    next(parse);
    while (parse->token == TOKEN_WORD || parse->token == TOKEN_QUOTED) {
        if (!parse_option(parse, is_wanted)) {
            return false;
        }
    }
    return expect_sign(parse, ';', "a ; is missing at the end of the options");
}

/* NAME { MODULE... }; */
static bool parse_section(struct parse *parse, const char *section, bool *is_found)
{
    if (parse->token != TOKEN_WORD && parse->token != TOKEN_QUOTED) {
        return fail(parse, "the name of a section is expected");
    }
    bool is_wanted = text_is(parse, section);
    if (is_wanted && *is_found) {
        return fail(parse, "the section is there twice");
    }
    *is_found = *is_found || is_wanted;
    next(parse);
    if (!expect_sign(parse, '{', "behind the name of a section { is expected")) {
        return false;
    }
    while (!is_sign(parse, '}')) {
        if (!parse_module(parse, is_wanted)) {
            return false;
        }
    }
    next(parse);
    return expect_sign(parse, ';', "a ; is missing behind the } of a section");
}

bool viv_jaas_parse(struct viv_jaas *jaas, struct viv_bytes text, const char *section, unsigned *line, const char **why)
{
    struct parse parse = {.jaas = jaas, .rest = text, .line = 1};
    bool is_found = false;
    *jaas = (struct viv_jaas){0};
    next(&parse);
    while (parse.token != TOKEN_END && parse.token != TOKEN_BAD && parse_section(&parse, section, &is_found)) {
    }
    if (parse.why == NULL && !is_found) {
        fail(&parse, "the section of that name is missing");
    }
    if (parse.why == NULL && jaas->count == 0) {
        fail(&parse, parse.names_kerberos
                         ? "Kerberos (GSSAPI) is not served, and the section names no user of DigestLoginModule "
                           "(user_NAME=\"password\"); let clients show certificates, or name users"
                         : "the section names no user (user_NAME=\"password\" of DigestLoginModule)");
    }
    OPENSSL_cleanse(parse.text.data, parse.text.capacity);
    viv_buffer_fini(&parse.text);
    *line = parse.line;
    *why = parse.why;
    if (parse.why != NULL) {
        viv_jaas_fini(jaas);
    }
    return parse.why == NULL;
}
