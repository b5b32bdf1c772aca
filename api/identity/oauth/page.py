"""The login page: one form, in English or Chinese, without a script. Everything from outside is escaped."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from html import escape

from api.http.problems import Language
from api.identity.oauth.authorize import AuthorizationRequest, origin_of
from api.identity.permissions import PERMISSIONS

_STYLE = """
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{margin:0;min-height:100vh;display:grid;place-items:center;background:Canvas;color:CanvasText}
main{width:min(24rem,calc(100vw - 2rem));padding:1.5rem 0}
h1{font-size:1.4rem;margin:0 0 .25rem}p{margin:.25rem 0 1rem}
label{display:block;margin:.75rem 0 .25rem;font-weight:600}
input,button{box-sizing:border-box;width:100%;font:inherit;padding:.6rem .7rem}
input,button{border:1px solid #8886;border-radius:.4rem}
button{margin-top:1rem;cursor:pointer;background:#0b57d0;color:#fff;border-color:#0b57d0}
button.quiet{background:none;color:inherit;border-color:#8886}
[role=alert]{border-left:.25rem solid #c5221f;padding:.4rem .7rem;background:#c5221f1a}
ul{padding-left:1.2rem;margin:.25rem 0}
"""
_STYLE_HASH = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

_WORDS: Mapping[str, tuple[str, str]] = {
    "title": ("Log in to Tributary", "登录 Tributary"),
    "asks": ("{client} asks you to log in. It may then:", "{client} 请求您登录，登录后它可以："),
    "everything": ("do everything that you may do", "执行您有权执行的所有操作"),
    "email": ("E-mail address", "邮箱"),
    "password": ("Password", "密码"),
    "new_password": ("New password (12 characters or more)", "新密码（至少 12 个字符）"),
    "log_in": ("Log in", "登录"),
    "continue": ("Continue as {email}", "以 {email} 的身份继续"),
    "another": ("Use another account", "使用其他账户"),
    "cancel": ("Cancel", "取消"),
    "log_out": ("Log out", "退出登录"),
    "logs_out": (
        "Log {email} out of Tributary in this browser? Apps stay logged in until you log out of them.",
        "要在此浏览器中退出 {email} 的 Tributary 登录吗？各应用的登录不受影响，请在应用中分别退出。",
    ),
    "logged_out": ("You are logged out", "您已退出登录"),
    "nobody": ("No one is logged in to Tributary in this browser.", "此浏览器中没有 Tributary 登录。"),
    "error": ("Cannot continue", "无法继续"),
    "unknown_client": (
        "The app that sent you here is not registered with Tributary.",
        "将您引导到此处的应用未在 Tributary 注册。",
    ),
    "unknown_redirect": (
        "The app that sent you here named a return address that is not registered.",
        "该应用要求的返回地址未注册。",
    ),
    "repeated_parameter": ("The request has a repeated parameter.", "请求中含有重复的参数。"),
}


def _text(key: str, language: Language, **values: str) -> str:
    en, zh = _WORDS[key]
    template = zh if language == "zh" else en
    return template.format(**{name: escape(value) for name, value in values.items()})


def headers_for(redirect_uri: str | None) -> dict[str, str]:
    """No script, no other origin, no frame; the form goes to us, and we may redirect to the client."""
    targets = "'self'" if redirect_uri is None else f"'self' {origin_of(redirect_uri)}"
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action {targets}; "
            "frame-ancestors 'none'; base-uri 'none'"
        ),
        "Cache-Control": "no-store",
        "Referrer-Policy": "same-origin",
        "Vary": "Accept-Language, Cookie",
    }


def login_page(
    requested: AuthorizationRequest,
    csrf: str,
    language: Language,
    *,
    known_as: str | None = None,
    email: str = "",
    alert: str = "",
    wants_new_password: bool = False,
) -> str:
    """The form. With `known_as`, the address of a user who is already logged in, it has no password field."""
    hidden = "".join(_hidden(name, value) for name, value in {**requested.parameters(), "csrf": csrf}.items())
    alert = f'<p role="alert">{escape(alert)}</p>' if alert else ""
    if known_as is not None:
        fields = _button("continue", _text("continue", language, email=known_as)) + _button(
            "another", _text("another", language), quiet=True
        )
    else:
        fields = (
            _input("email", "email", _text("email", language), "username", email)
            + _input("password", "password", _text("password", language), "current-password")
            + (
                _input("new_password", "password", _text("new_password", language), "new-password")
                if wants_new_password
                else ""
            )
            + _button("log_in", _text("log_in", language))
        )
    cancel = _button("cancel", _text("cancel", language), quiet=True)
    log_out = f'<p><a href="/oauth/logout">{_text("log_out", language)}</a></p>' if known_as is not None else ""
    intro = _text("asks", language, client=requested.client.name)
    body = (
        f"<h1>{_text('title', language)}</h1><p>{intro}</p>{_permissions(requested, language)}{alert}"
        f'<form method="post" action="/oauth/authorize">{hidden}{fields}{cancel}</form>{log_out}'
    )
    return _document(_text("title", language), body, language)


def logout_page(csrf: str, fields: Mapping[str, str], language: Language, *, known_as: str) -> str:
    """The question, before a session ends: another site may have sent the browser here. `fields` are sent again."""
    title = _text("log_out", language)
    hidden = "".join(_hidden(name, value) for name, value in {**fields, "csrf": csrf}.items())
    form = f'<form method="post" action="/oauth/logout">{hidden}{_button("log_out", title)}</form>'
    body = f"<h1>{title}</h1><p>{_text('logs_out', language, email=known_as)}</p>{form}"
    return _document(title, body, language)


def logged_out_page(language: Language) -> str:
    title = _text("logged_out", language)
    return _document(title, f"<h1>{title}</h1><p>{_text('nobody', language)}</p>", language)


def error_page(reason: str, language: Language) -> str:
    title = _text("error", language)
    return _document(title, f'<h1>{title}</h1><p role="alert">{_text(reason, language)}</p>', language)


def _permissions(requested: AuthorizationRequest, language: Language) -> str:
    names = requested.scope.split() if requested.scope else []
    # The permissions' sentences are English only; their names are the same in every language.
    lines = [f"{name}: {PERMISSIONS[name]}" if language == "en" else name for name in names]
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines or [_text("everything", language)]) + "</ul>"


def _hidden(name: str, value: str) -> str:
    return f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'


def _input(name: str, kind: str, label: str, autocomplete: str, value: str = "") -> str:
    return (
        f'<label for="{name}">{label}</label><input id="{name}" name="{name}" type="{kind}" '
        f'autocomplete="{autocomplete}" value="{escape(value)}" maxlength="254" required>'
    )


def _button(act: str, label: str, *, quiet: bool = False) -> str:
    skip = " formnovalidate" if act in ("cancel", "another") else ""
    return f'<button name="act" value="{act}"{" class=quiet" if quiet else ""}{skip}>{label}</button>'


def _document(title: str, body: str, language: Language) -> str:
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><main>{body}</main></body></html>"
    )
