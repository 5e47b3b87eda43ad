//! `peel ssh` and `peel status --context` where there is no cluster, or one that says no. What goes well needs a real
//! cluster, and is tested there.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::peel::said;

/// What the API server of Kubernetes 1.36 writes to an account without rights.
const FORBIDDEN: &str = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"pods is forbidden: User \"eve\" cannot list resource \"pods\" in API group \"\" in the namespace \"cloud\"","reason":"Forbidden","details":{"kind":"pods"},"code":403}"#;

/// A home without a kubeconfig, or with one.
struct Workstation(TempDir);

impl Workstation {
    fn empty() -> Workstation {
        Workstation(tempfile::tempdir().unwrap())
    }

    /// With a context `a` for this server, in the namespace `cloud`.
    fn with_cluster(server: &str) -> Workstation {
        let workstation = Workstation::empty();
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: a\n\
             clusters: [{{name: k, cluster: {{server: \"{server}\"}}}}]\n\
             users: [{{name: u, user: {{token: secret}}}}]\n\
             contexts: [{{name: a, context: {{cluster: k, user: u, namespace: cloud}}}}, {{name: b, context: {{cluster: k}}}}]\n"
        );
        fs::create_dir(workstation.0.path().join(".kube")).unwrap();
        fs::write(workstation.0.path().join(".kube/config"), text).unwrap();
        workstation
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_peel"));
        command.args(line.split_whitespace()).env_clear().env("HOME", self.0.path());
        command
    }

    fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    /// It fails with this exit code, and one line that has all these words.
    fn fails(&self, line: &str, code: i32, words: &[&str]) {
        let output = self.run(line);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(code), "{line}: {text}");
        assert_eq!(text.trim_end().lines().count(), 1, "{line}: {text}");
        for word in words {
            assert!(text.contains(word), "{line}: {word:?} is not in {text}");
        }
    }
}

/// An API server that answers each path with a status and a body, until the test ends; and the requests it got.
fn api(answer: impl Fn(&str) -> (u16, String) + Send + 'static) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (heard, requests) = sync_channel(100);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let Some(head) = head(&stream) else { continue };
            let path = head.split(' ').nth(1).unwrap_or_default();
            let (status, body) = answer(path);
            let length = body.len();
            let answered = write!(
                stream,
                "HTTP/1.1 {status} Because\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            // The client may have gone, and the test may have ended.
            let _ = (answered, heard.try_send(head));
        }
    });
    (address, requests)
}

fn head(stream: &TcpStream) -> Option<String> {
    let lines = BufReader::new(stream).lines();
    let lines = lines.map_while(|line| line.ok().filter(|line| !line.is_empty()));
    let head: Vec<String> = lines.collect();
    (!head.is_empty()).then(|| head.join("\n"))
}

fn pods(pods: &[(&str, &str, &str, &str)]) -> String {
    let items = pods.iter().map(|(namespace, name, release, phase)| {
        let labels = json!({
            "app.kubernetes.io/name": "peel-gateway", "app.kubernetes.io/instance": release
        });
        json!({
            "metadata": { "name": name, "namespace": namespace, "labels": labels },
            "status": { "phase": phase }
        })
    });
    let items: Value = items.collect();
    json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items }).to_string()
}

#[test]
fn without_a_cluster_the_two_cures_are_named() {
    for line in ["ssh home", "ssh --list", "ssh --pipe home", "status --namespace cloud"] {
        Workstation::empty().fails(line, 2, &[".kube/config is not there", "KUBECONFIG", "--via"]);
    }
}

#[test]
fn a_wrong_context_is_named_with_those_there_are() {
    let workstation = Workstation::with_cluster("http://127.0.0.1:1");
    for line in ["ssh home --context c", "ssh --context=c --list", "status --context c"] {
        workstation.fails(line, 2, &["no context \"c\" in the kubeconfig; there are a, b"]);
    }
    fs::write(workstation.0.path().join(".kube/config"), "clusters: 7\n").unwrap();
    workstation.fails("ssh home", 2, &["the kubeconfig cannot be used"]);
}

#[test]
fn a_cluster_that_is_not_reached_is_named() {
    let workstation = Workstation::with_cluster("https://127.0.0.1:1");
    workstation.fails("ssh home", 1, &["https://127.0.0.1:1 is not reached", "refused", "context"]);
    workstation.fails("status --context a", 1, &["https://127.0.0.1:1 is not reached"]);
}

#[test]
fn an_account_without_rights_is_told_which_and_a_role() {
    let (address, requests) = api(|_| (403, FORBIDDEN.to_owned()));
    let workstation = Workstation::with_cluster(&format!("http://{address}"));
    let words = [
        "may not list pods in the namespace \"cloud\"",
        "User \"eve\" cannot list resource",
        "kind: Role, metadata: {name: peel-ssh, namespace: cloud}",
        "resources: [pods/portforward], verbs: [get, create]",
    ];
    workstation.fails("ssh home", 1, &words);
    let request = requests.recv().unwrap().to_lowercase();
    assert!(request.contains("/api/v1/namespaces/cloud/pods?"), "{request}");
    assert!(request.contains("authorization: bearer secret"), "{request}");
}

#[test]
fn credentials_that_are_not_taken_are_named() {
    let status = json!({ "kind": "Status", "status": "Failure", "message": "Unauthorized", "reason": "Unauthorized", "code": 401 });
    let (address, _requests) = api(move |_| (401, status.to_string()));
    let workstation = Workstation::with_cluster(&format!("http://{address}"));
    workstation.fails("ssh home", 1, &["does not accept the credentials", "log in"]);
}

#[test]
fn a_program_without_credentials_is_named_with_what_it_says() {
    let workstation = Workstation::with_cluster("http://127.0.0.1:1");
    let file = workstation.0.path().join(".kube/config");
    let kubeconfig = fs::read_to_string(&file).unwrap();
    let program = |command: &str, arguments: &str| {
        let exec = format!(
            "exec: {{apiVersion: client.authentication.k8s.io/v1, command: {command}, args: [{arguments}]}}"
        );
        fs::write(&file, kubeconfig.replace("token: secret", &exec)).unwrap();
    };
    program("/bin/sh", "-c, \"echo no session >&2; exit 3\"");
    workstation.fails("ssh home", 1, &["from /bin/sh: exit status: 3: no session", "logged in"]);
    program("no-such-program", "");
    workstation.fails("ssh home", 1, &["from no-such-program", "No such file"]);
}

#[test]
fn a_namespace_without_a_gateway_is_named_with_those_that_have_one() {
    let (address, _requests) = api(|path| match path.starts_with("/api/v1/namespaces/") {
        true => (200, pods(&[])),
        false => (200, pods(&[("other", "gw-0", "gw", "Running")])),
    });
    let workstation = Workstation::with_cluster(&format!("http://{address}"));
    workstation.fails("ssh home", 1, &["no pod with the label", "\"cloud\"", "--namespace: other"]);

    let (address, _requests) = api(|path| match path.starts_with("/api/v1/namespaces/") {
        true => (200, pods(&[])),
        false => (403, FORBIDDEN.to_owned()),
    });
    let workstation = Workstation::with_cluster(&format!("http://{address}"));
    let words = ["name=peel-gateway,app.kubernetes.io/instance=x", "namespace with --namespace"];
    workstation.fails("ssh home --release x", 1, &words);
}

#[test]
fn of_two_releases_one_has_to_be_named() {
    let (address, requests) = api(|_| {
        let pod = |name, release| ("cloud", name, release, "Pending");
        (200, pods(&[pod("a-0", "alpha"), pod("b-0", "beta")]))
    });
    let workstation = Workstation::with_cluster(&format!("http://{address}"));
    workstation.fails("ssh home", 2, &["several releases", "alpha, beta", "--release"]);
    assert!(workstation.run("ssh home --release alpha").status.code() == Some(2));
    let asked = requests.iter().nth(1).unwrap();
    assert!(asked.contains("instance%3Dalpha"), "{asked}");
}

#[test]
fn a_pod_that_does_not_run_says_what_it_waits_for() {
    let (address, _requests) = api(|_| (200, pods(&[("cloud", "gw-0", "gw", "Pending")])));
    let workstation = Workstation::with_cluster(&format!("http://{address}"));
    workstation.fails("ssh home", 1, &["no gateway answers: pod gw-0 is Pending"]);
    let list = said(&workstation.run("ssh --list"));
    assert!(list.contains("pod gw-0 is Pending"), "{list}");
    let status = workstation.run("status --namespace cloud --json");
    assert_eq!(status.status.code(), Some(1));
    let shown: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(shown, json!([{ "pod": "gw-0", "error": "pod gw-0 is Pending" }]));
}

#[test]
fn a_missing_ssh_is_named_with_its_package() {
    let workstation = Workstation::empty();
    for line in ["ssh --via gw --port 8443 home", "ssh --via gw home"] {
        let output = workstation.command(line).env("PATH", workstation.0.path()).output().unwrap();
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("ssh is not installed: apt-get install openssh-client"), "{text}");
    }
}

#[test]
fn what_cannot_be_meant_is_misuse() {
    let workstation = Workstation::empty();
    for (line, word) in [
        ("ssh", "[USER@]NAME"),
        ("ssh home.example", "letters, digits, - and _"),
        ("ssh --via gw --context a home", "--context"),
        ("ssh --port 8443 home", "--via"),
        ("ssh --via -oProxyCommand=x home", "unexpected argument '-o'"),
        ("ssh --via=-oProxyCommand=x home", "[USER@]HOST[:PORT]"),
        ("ssh --json home", "--json"),
        ("ssh --list home", "--list"),
        ("ssh --unknown home", "--unknown"),
        ("status --url http://127.0.0.1:1 --context a", "--context"),
    ] {
        let output = workstation.run(line);
        assert_eq!(output.status.code(), Some(2), "{line}: {}", said(&output));
        assert!(said(&output).contains(word), "{line}: {}", said(&output));
    }
}

/// ssh is a script here that writes down its words.
#[test]
fn the_users_words_come_to_ssh_as_they_were_typed() {
    use std::os::unix::fs::PermissionsExt;
    let workstation = Workstation::empty();
    let script = workstation.0.path().join("ssh");
    fs::write(&script, "#!/bin/sh\nfor word in \"$@\"; do echo \"[$word]\"; done\nexit 42\n")
        .unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let mut peel = Command::new(env!("CARGO_BIN_EXE_peel"));
    peel.args(["ssh", "-v", "me@home", "--port", "8443", "--via", "gw", "echo", "a  b", "--via"]);
    let output = with_path(peel, workstation.0.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(42), "{}", said(&output));
    let words = said(&output);
    assert!(words.starts_with("[-o]\n[HostKeyAlias=home.peel]\n"), "{words}");
    assert!(words.ends_with("[-v]\n[--]\n[me@home]\n[echo]\n[a  b]\n[--via]\n"), "{words}");
}

fn with_path(mut command: Command, path: &Path) -> Command {
    command.env_clear().env("PATH", path);
    command
}
