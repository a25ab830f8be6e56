# markup - the dashboard shows text that strangers wrote: nothing in it may parse HTML or evaluate
# text, load anything from elsewhere, or need a looser Content-Security-Policy than the one that is
# sent with it.

BEGIN {
    count = split("innerHTML outerHTML insertAdjacentHTML setHTMLUnsafe DOMParser srcdoc " \
                  "createContextualFragment", words, " ")
}

function refuse_if(pattern, why) {
    if ($0 ~ pattern) {
        refuse(FNR, why)
    }
}

{
    for (i = 1; i <= count; i++) {
        if (index($0, words[i])) {
            refuse(FNR, words[i] " parses HTML; make elements with h() and text with setText()")
        }
    }
    refuse_if("document\\.write|[^A-Za-z_]eval *\\(|new Function|javascript:", "it evaluates text")
    refuse_if("<[^>]* on[a-z]+ *=", "a handler in an attribute; the policy forbids it")
    refuse_if("<[^>]* style *=|setAttribute\\(\"style\"|<style|<script>", \
              "an inline style or script; the policy forbids it")
    refuse_if("(src|href|action) *= *[\"'](https?:)?//", "it is loaded from elsewhere")
}
