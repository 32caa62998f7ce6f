import ReactMarkdown from "react-markdown";
import remarkGfm from "remark-gfm";
import { safeLink } from "../platform/links";

/** Markdown as elements. Raw HTML in it is shown as text, images are left out, links go only to http and https. */
export default function Markdown({ text }: { text: string }) {
  return (
    <div className="markdown">
      <ReactMarkdown
        remarkPlugins={[remarkGfm]}
        disallowedElements={["img"]}
        unwrapDisallowed
        urlTransform={(address) => safeLink(address) ?? ""}
        components={{
          h1: "h3",
          h2: "h4",
          h3: "h5",
          // The check box of a task list.
          input: ({ checked }) => (
            <span role="img" aria-label={checked ? "done" : "not done"}>
              {checked ? "☑" : "☐"}
            </span>
          ),
          a: ({ href, children }) =>
            href ? (
              <a href={href} target="_blank" rel="noreferrer noopener">
                {children}
              </a>
            ) : (
              <>{children}</>
            ),
        }}
      >
        {text}
      </ReactMarkdown>
    </div>
  );
}
