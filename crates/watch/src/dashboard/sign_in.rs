//! The page that asks who comes.

use maud::{DOCTYPE, Markup, html};

use super::frame::head;
use super::words::theirs;

/// A fence, in one colour that is seen on light and dark.
pub(crate) const ICON: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 16 16\"><path fill=\"#3b6ea8\" \
d=\"M1 4l2-2 2 2v10H1zM6 4l2-2 2 2v10H6zM11 4l2-2 2 2v10h-4z\"/></svg>";

/// `refused` says why the last attempt failed. A one-time code may stand behind the `#` of the address, which no server is
/// told: the script puts it into the form, takes it out of the address, and posts it.
pub(crate) fn page(app: &str, refused: Option<&str>) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head("Sign in", app))
            body.gate {
                main #main {
                    p.brand { "Palisade " span { (theirs(app)) } }
                    h1 { "Sign in" }
                    form #sign-in method="post" action="/sign-in" {
                        @if let Some(why) = refused {
                            p.wrong role="alert" #why { (why) }
                        }
                        label for="token" { "Token or one-time code" }
                        input #token name="token" type="password" required autocomplete="current-password"
                            aria-describedby=[refused.map(|_| "why")] autofocus;
                        label for="name" { "Your name " span.hint { "for what you acknowledge" } }
                        input #name name="name" maxlength="40" autocomplete="nickname";
                        button type="submit" { "Sign in" }
                    }
                    p.hint { "The token is " code { "PALISADE_ADMIN_TOKEN" } " of the gate. " code { "palisade demo" } " prints a link." }
                }
            }
        }
    }
}
