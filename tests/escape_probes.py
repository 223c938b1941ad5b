"""A strategy plugin that tries to get out. Each probe is one real attempt.

A probe returns what it got hold of, or raises what stopped it. The test runs every probe twice:
confined, where none may succeed, and in an ordinary process, where each has to, or it proves
nothing. Only the standard library is used, so that this file runs in both.
"""

import ctypes
import fcntl
import importlib
import json
import mmap
import os
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import threading

T = json.loads('{"targets": null}')  # the test writes what there is to get here
LIBC = ctypes.CDLL(None, use_errno=True)
PROBES = {}


def probe(function):
    PROBES[function.__name__] = function
    return function


def syscall(number, *arguments):
    whole = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = LIBC.syscall(ctypes.c_long(number), *whole)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def content(path, mode="r"):
    with open(path, mode) as file:
        return file.read(4096)[:40] or "opened"


# --- reading ------------------------------------------------------------------------------


@probe
def read_the_gate_key():
    return content(T["gate_key"])


@probe
def read_the_ledger_of_the_home():
    return content(T["ledger"], "rb")


@probe
def list_the_home():
    return os.listdir(T["home"])


@probe
def read_the_ssh_key():
    return content(T["ssh_key"])


@probe
def read_the_list_of_users():
    return content("/etc/passwd")


@probe
def read_the_password_hashes():
    return content(T["shadow"])


@probe
def read_by_a_relative_path():
    return content(os.path.relpath(T["gate_key"], os.getcwd()))


@probe
def read_through_a_symlink_left_before():
    return content(T["symlink"])


@probe
def read_through_a_symlink_made_now():
    link = T["scratch"] + "/link"
    os.symlink(T["gate_key"], link)
    return content(link)


@probe
def read_through_a_hard_link_made_now():
    link = T["scratch"] + "/hard"
    os.link(T["gate_key"], link)
    return content(link)


@probe
def read_through_the_root_of_proc():
    return content("/proc/self/root" + T["gate_key"])


@probe
def read_the_environment_of_another_process():
    return content(f"/proc/{T['victim']}/environ")


@probe
def open_the_memory_of_another_process():
    with open(f"/proc/{T['victim']}/mem", "rb"):
        return "opened"


@probe
def list_the_descriptors_of_another_process():
    return os.listdir(f"/proc/{T['victim']}/fd")


@probe
def list_all_processes():
    return os.listdir("/proc")


@probe
def open_by_a_newer_system_call():  # openat2
    how = struct.pack("=QQQ", 0, 0, 0)
    return syscall(437, -100, T["gate_key"].encode(), how, 24)


@probe
def open_by_path_descriptor():  # O_PATH, then through /proc/self/fd
    handle = os.open(T["gate_key"], os.O_PATH)
    return content(f"/proc/self/fd/{handle}")


@probe
def read_by_io_uring():
    return syscall(425, 4, ctypes.create_string_buffer(120))


@probe
def read_inherited_descriptors():
    for descriptor in range(3, 256):
        try:
            found = os.pread(descriptor, 4096, 0)
        except OSError:
            continue
        if T["inherited_secret"].encode() in found:
            return found
    raise PermissionError("no descriptor holds the secret")


@probe
def read_secrets_in_the_environment():
    found = [name for name, value in os.environ.items() if value == T["environment_secret"]]
    if not found:
        raise PermissionError("no secret in the environment")
    return found


@probe
def read_secrets_in_the_first_environment():
    with open("/proc/self/environ", "rb") as file:
        if T["environment_secret"].encode() not in file.read():
            raise PermissionError("no secret in the environment")
    return "found"


# --- writing ------------------------------------------------------------------------------


@probe
def write_a_new_file():
    with open(T["scratch"] + "/new", "w") as file:
        return file.write("x")


@probe
def write_below_tmp():
    with open(f"/tmp/torghut-probe-{os.getpid()}", "w") as file:
        written = file.write("x")
    os.unlink(file.name)
    return written


@probe
def append_to_the_ledger():
    with open(T["ledger"], "ab") as file:
        return file.write(b"x")


@probe
def cut_off_the_ledger():
    return f"truncated {os.truncate(T['ledger'], 1)}"


@probe
def delete_a_file():
    return f"gone {os.unlink(T['expendable'] + '/deleted')}"


@probe
def rename_a_file():
    return f"moved {os.rename(T['expendable'] + '/renamed', T['scratch'] + '/renamed')}"


@probe
def open_a_key_to_everybody():
    return f"changed {os.chmod(T['expendable'] + '/chmod', 0o666)}"


@probe
def change_the_times_of_a_file():
    return f"changed {os.utime(T['expendable'] + '/utime', (0, 0))}"


@probe
def make_a_folder():
    return f"made {os.mkdir(T['scratch'] + '/folder')}"


@probe
def make_a_named_pipe():
    return f"made {os.mkfifo(T['scratch'] + '/pipe')}"


@probe
def plant_code_in_the_installation():
    with open(T["site"] + "/planted.pth", "w") as file:
        return file.write("")


@probe
def make_an_anonymous_file():
    return os.memfd_create("probe")


@probe
def grow_the_shared_memory_file():
    for descriptor in range(3, 64):
        try:
            os.ftruncate(descriptor, 1 << 31)
        except OSError:
            continue
        return f"descriptor {descriptor}"
    raise PermissionError("no descriptor can be resized")


# --- network ------------------------------------------------------------------------------


@probe
def connect_by_tcp():
    return socket.create_connection(("127.0.0.1", T["tcp_port"]), timeout=5)


@probe
def send_by_udp():
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9))


@probe
def connect_by_tcp_over_ipv6():
    return socket.socket(socket.AF_INET6, socket.SOCK_STREAM)


@probe
def connect_to_a_unix_socket():
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(T["unix_socket"])
    return "connected"


@probe
def connect_to_an_abstract_socket():
    connection = socket.socket(socket.AF_UNIX)
    connection.connect("\0" + T["abstract_socket"])
    return "connected"


@probe
def listen_for_connections():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener.getsockname()


@probe
def open_a_raw_socket():
    return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)


@probe
def open_a_netlink_socket():
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)


@probe
def resolve_a_name():
    return socket.getaddrinfo("localhost", 80)


@probe
def open_a_socket_by_system_call():
    return syscall(41, 2, 1, 0)


@probe
def pass_a_descriptor_over_a_socket():
    one, other = socket.socketpair()
    return socket.send_fds(one, [b"x"], [other.fileno()])


# --- processes ----------------------------------------------------------------------------


@probe
def fork():
    child = os.fork()
    if child == 0:
        os._exit(0)
    return os.waitpid(child, 0)


@probe
def fork_by_system_call():  # vfork would share our stack; clone with no flags is fork
    child = syscall(56, signal.SIGCHLD, 0, 0, 0, 0)
    if child == 0:
        os._exit(0)
    return os.waitpid(child, 0)


@probe
def run_a_program():
    return subprocess.run(["/bin/true"], check=True)


@probe
def spawn_a_program():
    return os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)


@probe
def run_a_shell():
    status = os.system("true")
    if status != 0:
        raise PermissionError(f"status {status}")
    return "ran"


@probe
def replace_this_program():  # in an ordinary process: exec fails only because of the name
    try:
        os.execv(T["not_a_program"], ["x"])
    except OSError as error:
        if error.errno == 8:  # the kernel looked at it: exec is allowed
            return "exec was tried"
        raise


@probe
def start_a_thread():
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
    return "ran"


@probe
def kill_another_process():
    return f"signalled {os.kill(T['victim'], signal.SIGCONT)}"


@probe
def kill_all_of_a_process_group():
    return f"signalled {os.killpg(T['victim'], signal.SIGCONT)}"


@probe
def kill_by_a_process_descriptor():
    handle = syscall(434, T["victim"], 0)  # pidfd_open
    return f"signalled {signal.pidfd_send_signal(handle, signal.SIGCONT)}"


@probe
def kill_by_thread_id():
    return syscall(234, T["victim"], T["victim"], int(signal.SIGCONT))


@probe
def trace_another_process():
    return syscall(101, 0x4206, T["victim"], 0, 0)  # PTRACE_SEIZE; detached when this ends


@probe
def read_the_memory_of_another_process():
    buffer = ctypes.create_string_buffer(8)
    local = struct.pack("=QQ", ctypes.addressof(buffer), 8)
    remote = struct.pack("=QQ", T["victim_address"], 8)
    return syscall(310, T["victim"], local, 1, remote, 1, 0)


@probe
def write_the_memory_of_another_process():
    buffer = ctypes.create_string_buffer(b"ESCAPED!", 8)
    local = struct.pack("=QQ", ctypes.addressof(buffer), 8)
    remote = struct.pack("=QQ", T["victim_address"], 8)
    return syscall(311, T["victim"], local, 1, remote, 1, 0)


@probe
def limit_another_process():
    return resource.prlimit(T["victim"], resource.RLIMIT_CORE, (0, 0))


@probe
def slow_down_another_process():
    return f"reniced {os.setpriority(os.PRIO_PROCESS, T['victim'], 19)}"


# --- rights -------------------------------------------------------------------------------


@probe
def change_the_own_limits():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return f"changed {resource.setrlimit(resource.RLIMIT_NOFILE, (soft - 1, hard))}"


@probe
def become_another_user():
    return f"became {os.setuid(os.getuid())}"


@probe
def enter_a_new_user_namespace():
    return syscall(272, 0x10000000)


@probe
def mount_a_file_system():
    place = T["mount_point"].encode()
    mounted = syscall(165, b"none", place, b"tmpfs", 0, None)
    syscall(166, place, 0)  # umount2
    return mounted


@probe
def change_the_root():
    return f"changed {os.chroot('/')}"


@probe
def undo_the_confinement():  # PR_SET_DUMPABLE, PR_SET_PDEATHSIG
    return syscall(157, 4, 1, 0, 0, 0), syscall(157, 1, 0, 0, 0, 0)


@probe
def ask_for_a_kernel_key():
    return syscall(250, 0, -4 & 0xFFFFFFFF, 1)  # keyctl_get_keyring_ID of the user


@probe
def share_memory_by_system_v():
    return syscall(29, 0, 4096, 0o1600)


@probe
def open_a_device_for_control():
    return fcntl.ioctl(os.open("/dev/null", os.O_RDONLY), 0x5451) or "controlled"  # FIOCLEX


@probe
def leave_a_signal_timer():
    return f"armed {signal.setitimer(signal.ITIMER_REAL, 1000)}{signal.setitimer(0, 0)}"


@probe
def watch_files():
    return syscall(294, 0)  # inotify_init1


@probe
def wait_with_epoll():
    return select.epoll()


@probe
def map_a_file_for_writing():
    with open(T["expendable"] + "/mapped", "r+b") as file:
        return mmap.mmap(file.fileno(), 4)


# --- this project -------------------------------------------------------------------------


@probe
def sign_with_the_gate_key_through_the_project():
    from pathlib import Path

    key_ring = importlib.import_module("torghut_assets.resources.key_ring")
    home = importlib.import_module("torghut_assets.resources.home").Home.at(Path(T["home"]))
    key = key_ring.KeyFolder(home).machine_key("gate", None)
    if key is None:
        raise PermissionError("no gate key")
    return key.sign(b"forged")


@probe
def import_what_was_not_hashed():
    if "acme_unhashed_folder" in T:
        sys.path.insert(0, T["acme_unhashed_folder"])
    return importlib.import_module("acme_unhashed")


def run(name):
    """Return what a probe got, in words; raise what stopped it."""
    return f"{PROBES[name]()!r}"[:120]
