/*
 * top.c - top: the running host on one screen, refreshed every second; q quits.
 *
 * The screen is composed in memory, cut to the terminal's height and written at once, to the
 * alternate screen, so that the terminal's earlier contents return afterwards. Signals come through
 * a descriptor: whatever ends the program, the terminal is restored.
 */
#include "cli/live.h"

#include "cli/ask.h"
#include "cli/several.h"
#include "cli/store.h"
#include "cli/table.h"
#include "cli/tell.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

enum { REFRESH_MS = 1000, ROWS_DEFAULT = 24 };

struct top {
    struct termios before;
    int signals; /* a descriptor */
};

/* ---- the terminal ---- */

static int enter(struct top *top) {
    sigset_t ends;
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGTERM);
    (void)sigaddset(&ends, SIGHUP);
    (void)sigaddset(&ends, SIGINT);
    (void)sigaddset(&ends, SIGQUIT);
    if (tcgetattr(STDIN_FILENO, &top->before) != 0 || sigprocmask(SIG_BLOCK, &ends, NULL) != 0) {
        return cli_fail(ERR_SYSTEM, "cannot use the terminal: %s", strerror(errno));
    }
    top->signals = signalfd(-1, &ends, SFD_CLOEXEC);
    struct termios raw = top->before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    if (top->signals < 0 || tcsetattr(STDIN_FILENO, TCSANOW, &raw) != 0) {
        return cli_fail(ERR_SYSTEM, "cannot use the terminal: %s", strerror(errno));
    }
    (void)fputs("\x1b[?1049h\x1b[?25l", stdout);
    return 0;
}

static void leave(const struct top *top) {
    (void)fputs("\x1b[?25h\x1b[?1049l", stdout);
    (void)fflush(stdout);
    (void)tcsetattr(STDIN_FILENO, TCSANOW, &top->before);
    (void)close(top->signals);
}

static size_t terminal_rows(void) {
    struct winsize size;
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 1;
    return known ? size.ws_row : ROWS_DEFAULT;
}

/* Waits until the next screen is due; true when the user quits. */
static bool is_over(const struct top *top) {
    char key = 0;
    struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                           {.fd = top->signals, .events = POLLIN}};
    int ready = poll(fds, sizeof fds / sizeof *fds, REFRESH_MS);
    if (ready <= 0) {
        return ready < 0 && errno != EINTR;
    }
    bool typed = fds[0].revents != 0 && read(STDIN_FILENO, &key, 1) == 1;
    return fds[1].revents != 0 || (fds[0].revents != 0 && !typed) || key == 'q' || key == 'Q';
}

/* ---- the screen ---- */

static void compose(struct cli *cli, FILE *out) {
    struct report r = {""};
    json_t *status = NULL;
    long http = 0;
    int code =
        cli_ask_quietly(cli, "GET", "/api/status", (struct slice){"", 0}, &http, &status, &r);
    bool answered = code == 0 && http == 200;
    live_print_host(out, answered ? status : NULL);
    if (code != 0 && code != ERR_NOTFOUND) {
        (void)fprintf(out, "        %s\n", r.text);
    }
    (void)fprintf(out, "\n");
    if (answered && live_print_services(out, cli->colour, table_terminal_width(), status) != 0) {
        (void)fprintf(out, "out of memory\n");
    }
    json_t *division = answered ? cli_ask_division(cli, status) : NULL;
    (void)fprintf(out, "\n");
    if (live_print_division(out, cli->colour, table_terminal_width(), division) != 0) {
        (void)fprintf(out, "out of memory\n");
    }
    (void)fprintf(out, "%spress q to quit", division == NULL ? "" : "\n");
    json_decref(division);
    json_decref(status);
}

/* Prints at most `rows` lines of the text; each line is cleared to its end. */
static void show(const char *text, size_t rows) {
    (void)fputs("\x1b[H", stdout);
    for (size_t row = 0; row < rows && *text != '\0'; row++) {
        size_t len = strcspn(text, "\n");
        bool last = row + 1 == rows || text[len] == '\0';
        (void)printf("%.*s\x1b[K%s", (int)len, text, last ? "" : "\r\n");
        text += len + (text[len] == '\n' ? 1 : 0);
    }
    (void)fputs("\x1b[J", stdout);
    (void)fflush(stdout);
}

static int refresh(struct cli *cli) {
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL) {
        return ERR_MEMORY;
    }
    compose(cli, out);
    int code = fclose(out) == 0 ? 0 : ERR_MEMORY;
    if (code == 0) {
        show(text, terminal_rows());
    }
    free(text);
    return code;
}

int cli_top(struct cli *cli) {
    struct top top;
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        return cli_misused(cli, "top requires a terminal: \"zingq status\" prints the same once");
    }
    int status = cli_find_data(cli);
    status = status == 0 ? enter(&top) : status;
    if (status != 0) {
        return status;
    }
    int code = 0;
    do {
        code = refresh(cli);
    } while (code == 0 && !is_over(&top));
    leave(&top);
    return code == 0 ? EXIT_GOOD : cli_fail(code, "%s", error_text(code));
}
