#include "cli/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include "cli/exit_code.h"

static volatile sig_atomic_t pressed;

static void on_signal(int number)
{
    (void)number;
    if (pressed) {
        _exit(VIV_CLI_INTERRUPTED);
    }
    pressed = 1;
}

void viv_cli_interrupt_catch(void)
{
    /* No SA_RESTART: what waits shall wake. */
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
}

bool viv_cli_interrupted(void)
{
    return pressed != 0;
}

void viv_cli_interrupt_clear(void)
{
    pressed = 0;
}
