#include "cli/shell.h"

#include <errno.h>
#include <histedit.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/complete.h"
#include "cli/interrupt.h"
#include "cli/line.h"
#include "cli/link.h"

enum { HISTORY_LINES = 1000, KILL_LINE = 'U' & 0x1f, NS_PER_MS = 1000000 };

struct viv_cli_shell {
    EditLine *edit; /* NULL: the input is no terminal */
    History *history;
    char *history_file; /* NULL: there is no place for one */
    struct viv_buffer prompt;
    const char *shown_state; /* what the prompt on the screen says */
    bool reading;            /* a line is being edited */
    bool disturbed;          /* something was printed over it */
    char **lines;            /* what was run, for `history` and `redo` */
    size_t line_count;
};

/* ---- the prompt, and what happens while it waits ---- */

static char *prompt(EditLine *edit)
{
    struct viv_cli *cli;
    el_get(edit, EL_CLIENTDATA, &cli);
    struct viv_cli_shell *shell = cli->shell;
    shell->shown_state = viv_cli_link_state(cli);
    viv_buffer_clear(&shell->prompt);
    viv_buffer_printf(&shell->prompt, "[%s(%s) %zu] %c", cli->settings.servers, shell->shown_state, shell->line_count,
                      '\0');
    return (char *)shell->prompt.data;
}

void viv_cli_shell_interrupt_line(struct viv_cli *cli)
{
    struct viv_cli_shell *shell = cli->shell;
    if (shell != NULL && shell->reading && !shell->disturbed) {
        shell->disturbed = true;
        fputc('\n', stdout);
    }
}

/* Waits for a key or for something to happen at the session. */
static void wait_for_either(struct viv_cli *cli)
{
    struct pollfd ends[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
    int wait_ms = -1;
    if (cli->link != NULL) {
        uint64_t now_ns = viv_client_now_ns();
        uint64_t wake_ns = viv_cli_link_wake_ns(cli->link);
        ends[1].fd = viv_cli_link_fd(cli->link);
        wait_ms = wake_ns <= now_ns ? 0 : wake_ns == UINT64_MAX ? -1 : (int)((wake_ns - now_ns) / NS_PER_MS + 1);
    }
    (void)poll(ends, 2, wait_ms);
    if (cli->link != NULL) {
        viv_cli_link_turn(cli->link, 0);
    }
}

static bool key_is_there(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&input, 1, 0) > 0;
}

/* libedit's source of keys. */
static int next_key(EditLine *edit, wchar_t *key)
{
    struct viv_cli *cli;
    char byte;
    el_get(edit, EL_CLIENTDATA, &cli);
    struct viv_cli_shell *shell = cli->shell;
    while (!key_is_there()) {
        wait_for_either(cli);
        if (viv_cli_interrupted()) {
            viv_cli_interrupt_clear();
            fputs("^C\n", stdout);
            *key = KILL_LINE;
            shell->disturbed = true;
        }
        if (shell->disturbed || shell->shown_state != viv_cli_link_state(cli)) {
            bool killed = shell->disturbed && *key == KILL_LINE;
            shell->disturbed = false;
            el_set(edit, EL_REFRESH);
            if (killed) {
                return 1;
            }
        }
    }
    ssize_t got = read(STDIN_FILENO, &byte, 1);
    *key = (unsigned char)byte;
    return got == 1 ? 1 : got == 0 ? 0 : -1;
}

/* ---- completion ---- */

static void list_words(struct viv_cli *cli, const struct viv_cli_names *words)
{
    enum { LISTED_MAX = 100 };
    viv_cli_shell_interrupt_line(cli);
    for (size_t i = 0; i < words->count && i < LISTED_MAX; i++) {
        struct viv_bytes word = viv_cli_name(words, i);
        printf("%.*s\n", (int)word.size, (const char *)word.data);
    }
    if (words->count > LISTED_MAX) {
        printf("... and %zu more\n", words->count - LISTED_MAX);
    }
    fflush(stdout);
}

static unsigned char on_tab(EditLine *edit, int key)
{
    struct viv_cli *cli;
    (void)key;
    el_get(edit, EL_CLIENTDATA, &cli);
    const LineInfo *info = el_line(edit);
    size_t size = (size_t)(info->cursor - info->buffer);
    struct viv_cli_names words = {0};
    size_t start;
    viv_cli_complete(cli, info->buffer, size, &start, &words);
    size_t common = viv_cli_common_size(&words);
    unsigned char result = words.count == 0 ? CC_REFRESH_BEEP : CC_REFRESH;
    if (words.count > 1 && common <= size - start) {
        list_words(cli, &words);
        cli->shell->disturbed = false;
        result = CC_REDISPLAY;
    } else if (words.count > 0) {
        struct viv_buffer insert = {0};
        viv_buffer_append(&insert, viv_cli_name(&words, 0).data, common);
        /* A node or folder may go on; everything else is a whole word. */
        bool whole = words.count == 1 && memchr(insert.data, '/', common) == NULL;
        viv_buffer_append(&insert, whole ? " " : "", whole ? 2 : 1);
        el_deletestr(edit, (int)(size - start));
        el_insertstr(edit, (const char *)insert.data);
        viv_buffer_fini(&insert);
    }
    viv_cli_names_fini(&words);
    return result;
}

/* ---- lines ---- */

static char *history_file(void)
{
    const char *told = getenv("VIVARIUM_CLI_HISTORY");
    const char *home = getenv("HOME");
    struct viv_buffer path = {0};
    if (told != NULL) {
        return *told != '\0' ? strdup(told) : NULL;
    }
    if (home == NULL || *home == '\0') {
        return NULL;
    }
    viv_buffer_printf(&path, "%s/.vivarium-cli-history%c", home, '\0');
    return (char *)path.data;
}

static void shell_open(struct viv_cli *cli, struct viv_cli_shell *shell)
{
    HistEvent event;
    cli->shell = shell;
    if (!isatty(STDIN_FILENO)) {
        return;
    }
    shell->edit = el_init("vivarium-cli", stdin, stdout, stderr);
    shell->history = history_init();
    if (shell->edit == NULL || shell->history == NULL) {
        return;
    }
    history(shell->history, &event, H_SETSIZE, HISTORY_LINES);
    history(shell->history, &event, H_SETUNIQUE, 1);
    shell->history_file = history_file();
    if (shell->history_file != NULL) {
        history(shell->history, &event, H_LOAD, shell->history_file);
    }
    el_set(shell->edit, EL_CLIENTDATA, cli);
    el_set(shell->edit, EL_PROMPT, prompt);
    el_set(shell->edit, EL_EDITOR, "emacs");
    el_set(shell->edit, EL_HIST, history, shell->history);
    el_set(shell->edit, EL_GETCFN, next_key);
    el_set(shell->edit, EL_ADDFN, "complete-word", "complete the word", on_tab);
    el_set(shell->edit, EL_BIND, "^I", "complete-word", NULL);
    el_set(shell->edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_source(shell->edit, NULL);
}

static void shell_close(struct viv_cli *cli, struct viv_cli_shell *shell)
{
    HistEvent event;
    if (shell->history_file != NULL) {
        mode_t before = umask(077); /* what an operator typed is nobody else's business */
        history(shell->history, &event, H_SAVE, shell->history_file);
        umask(before);
        (void)chmod(shell->history_file, S_IRUSR | S_IWUSR);
    }
    if (shell->edit != NULL) {
        el_end(shell->edit);
    }
    if (shell->history != NULL) {
        history_end(shell->history);
    }
    for (size_t i = 0; i < shell->line_count; i++) {
        free(shell->lines[i]);
    }
    free(shell->lines);
    free(shell->history_file);
    viv_buffer_fini(&shell->prompt);
    cli->shell = NULL;
}

/* A password does not go into a file. */
static bool may_be_kept(const struct viv_cli_line *line)
{
    return line->count > 0 && strcmp(line->words[0], "addauth") != 0;
}

static void remember(struct viv_cli_shell *shell, const char *text, bool keep)
{
    HistEvent event;
    shell->lines = viv_realloc(shell->lines, (shell->line_count + 1) * sizeof *shell->lines);
    shell->lines[shell->line_count] = strndup(text, strcspn(text, "\n"));
    if (shell->history != NULL && keep) {
        history(shell->history, &event, H_ENTER, shell->lines[shell->line_count]);
    }
    shell->line_count++;
}

static int run_line(struct viv_cli *cli, const char *text)
{
    struct viv_cli_line line;
    int code = VIV_CLI_OK;
    const char *wrong = viv_cli_line_split(&line, text, strcspn(text, "\n"), false);
    if (wrong != NULL) {
        code = viv_cli_usage_error("%s", wrong);
    } else if (line.count > 0) {
        remember(cli->shell, text, may_be_kept(&line));
        viv_cli_interrupt_clear();
        code = viv_cli_dispatch(cli, (int)line.count, line.words);
    }
    viv_cli_line_fini(&line);
    return code;
}

/* A line of what is no terminal. The session is served while one is waited for, so the input is read without stdio,
 * whose buffer would hide lines from poll. */
static const char *read_piped_line(struct viv_cli *cli, struct viv_buffer *input, size_t *used)
{
    enum { PIECE_BYTES = 1 << 16 };
    viv_buffer_consume(input, *used);
    *used = 0;
    for (ssize_t got = 1; !viv_cli_interrupted();) {
        uint8_t *end = input->size > 0 ? memchr(input->data, '\n', input->size) : NULL;
        if (end == NULL && got <= 0 && input->size > 0) {
            viv_buffer_append(input, "\n", 1); /* the last line needs no end */
            continue;
        }
        if (end != NULL || got <= 0) {
            *used = end != NULL ? (size_t)(end + 1 - input->data) : 0;
            return end != NULL ? (const char *)input->data : NULL;
        }
        while (!key_is_there() && !viv_cli_interrupted()) {
            wait_for_either(cli);
        }
        got = read(STDIN_FILENO, viv_buffer_reserve(input, PIECE_BYTES), PIECE_BYTES);
        input->size += got > 0 ? (size_t)got : 0;
    }
    return NULL;
}

/* NULL at the end of the input. Borrows until the next call. */
static const char *read_line(struct viv_cli *cli, struct viv_buffer *input, size_t *used)
{
    struct viv_cli_shell *shell = cli->shell;
    if (shell->edit == NULL) {
        return read_piped_line(cli, input, used);
    }
    int count;
    shell->reading = true;
    const char *line = el_gets(shell->edit, &count);
    shell->reading = false;
    shell->disturbed = false;
    return line;
}

int viv_cli_shell(struct viv_cli *cli)
{
    struct viv_cli_shell shell = {0};
    struct viv_buffer input = {0};
    size_t used = 0;
    int first_failure = VIV_CLI_OK;
    int code = cli->settings.wait_first ? viv_cli_attach(cli) : viv_cli_attach_begin(cli);
    if (code != VIV_CLI_OK) {
        return code;
    }
    shell_open(cli, &shell);
    while (!cli->leaving) {
        const char *line = read_line(cli, &input, &used);
        if (line == NULL) {
            break;
        }
        code = run_line(cli, line);
        fflush(stdout);
        first_failure = first_failure == VIV_CLI_OK ? code : first_failure;
    }
    bool person = shell.edit != NULL;
    shell_close(cli, &shell);
    viv_buffer_fini(&input);
    return person ? VIV_CLI_OK : first_failure;
}

int viv_cli_run_history(struct viv_cli *cli, const struct viv_cli_args *args)
{
    enum { SHOWN = 11 };
    (void)args;
    size_t count = cli->shell != NULL ? cli->shell->line_count : 0;
    for (size_t i = count > SHOWN ? count - SHOWN : 0; i < count; i++) {
        printf("%zu - %s\n", i, cli->shell->lines[i]);
    }
    return VIV_CLI_OK;
}

int viv_cli_run_redo(struct viv_cli *cli, const struct viv_cli_args *args)
{
    uint64_t number;
    struct viv_cli_shell *shell = cli->shell;
    /* The line that says redo is the last one. */
    if (shell == NULL || !viv_cli_parse_uint64(viv_cli_arg(args, 0), &number) || number + 1 >= shell->line_count) {
        return viv_cli_usage_error("redo %s: the number of an earlier line is wanted; `history` tells them",
                                   viv_cli_arg(args, 0));
    }
    char *line = strdup(shell->lines[number]);
    free(shell->lines[shell->line_count - 1]);
    shell->line_count--;
    int code = strncmp(line, "redo", 4) == 0
                   ? viv_cli_usage_error("redo %llu would redo a redo", (unsigned long long)number)
                   : run_line(cli, line);
    free(line);
    return code;
}
